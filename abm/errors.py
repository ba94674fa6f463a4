"""The one error a person meets: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class CareError(Exception):
    """Something a person can put right, told in one line.

    The command line prints it and ends with exit code 2; anything else that is raised is a fault of ours.

    Parameters
    ----------
    what
        What is wrong, without a full stop: "there is no area 'E06000099'".
    where
        The file, line, row or setting it stands in; left out when it says nothing new.
    remedy
        What to do, as a full sentence. `did_you_mean` gives its beginning.
    """

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the whole message on one line."""
        place = f" ({self.where})" if self.where else ""
        # What and where often quote a library or a file, which may break lines.
        return " ".join(f"{self.what}{place}. {self.remedy}".split())


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return "Did you mean 'x'? " for the option nearest to `name`, or "" when none is near."""
    by_folded = {option.casefold(): option for option in sorted(options, reverse=True)}
    nearest = get_close_matches(name.casefold(), by_folded, n=1)
    return f"Did you mean '{by_folded[nearest[0]]}'? " if nearest else ""
