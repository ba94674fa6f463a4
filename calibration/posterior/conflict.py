"""Judgements held against figures: how far apart they are, before the draws take the two together.

What figures say is Laplace's Gaussian of the judged number's logarithm, worked out without any judgement (with what is
believed of all areas, as always; no second run). Draw one number from the judgement and one from that:

    tail = twice the chance of the rarer order of the two

With two Gaussians it is 2 Phi(-d), d being how far the middles are apart in units of the root of the summed variances
(a check of prior against data, Evans and Moshonov 2006). If both are right about how sure they are, the tail is even
between 0 and 1, so of judgements that do not fight the figures 1 in 20 is told by chance (APART). One that is 2.8 of
these units off is told with a chance of 80%.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.elicit import NUMERICAL, Judgement
from calibration.levers import LEVERS
from calibration.posterior.forms import FORMS
from calibration.posterior.frame import Asked, Belief, Frame, climbed
from calibration.posterior.priors import row_of

Array = NDArray[np.float64]
APART = 0.05
"""A tail below this is told."""
TOLD = 0.25
"""Figures that remove less than this share of the variance hardly tell the number."""
ADVICE = (
    "Workshop and figures may both have good reasons to differ: practice may have changed since, or the figures may "
    "count something else. The draws take the two together, each as far as it is sure, and may suit neither: please "
    "find out why they differ before resting on them."
)
_LABELS = {lever.key: lever.label for lever in LEVERS} | {form.key: form.label for form in FORMS}


def unjudged(expected: Asked, frame: Frame, prior: Belief) -> Belief:
    """Return what figures leave of x under a prior without judgements, from the frame of one with them."""
    *_, posterior, _left = climbed(expected, frame.figures, frame.jacobian, prior, frame.steady, frame.x)
    return posterior


def held_against(
    judgements: Sequence[Judgement], before: Belief, after: Belief, n_years: int, makes_up: Array
) -> list[dict[str, Any]]:
    """Return for each judgement how far it is from the figures, as plain data.

    before, after   what is believed of x before figures are seen, and what they leave of it, both without judgements
    n_years, makes_up   as in `priors.belief_of`
    """
    out = []
    for each in judgements:
        row = row_of(each, n_years, makes_up)
        middle, spread = float(row @ after.mean), float(np.sqrt(row @ after.covariance @ row))
        removed = 1.0 - spread**2 / float(row @ before.covariance @ row)
        out.append(apart_from(each, middle, spread) | {"removed": round(max(removed, 0.0), 2)})
    return out


def apart_from(judgement: Judgement, middle: float, spread: float) -> dict[str, Any]:
    """Return how far a judgement is from a number whose logarithm is normal with this middle and spread."""
    from scipy.special import ndtr, ndtri

    chances, values = (np.array(column) for column in zip(*judgement.quantiles, strict=True))
    grid = judgement.distribution.ppf((np.arange(NUMERICAL) + 0.5) / NUMERICAL)
    # A value of 0 or less is below every number that figures can mean.
    logs = np.log(np.maximum(grid, 1e-300))
    above = float(ndtr((middle - logs) / spread).mean())
    tail = 2.0 * min(above, 1.0 - above)
    ends = np.log(np.maximum(values[[0, -1]], 1e-300))
    inside = float(np.diff(ndtr((ends - middle) / spread))[0])
    figures = np.exp(middle + spread * ndtri(np.array([chances[0], 0.5, chances[-1]])))
    return {
        "about": judgement.about,
        "years": list(judgement.years),
        "chances": [float(chances[0]), float(chances[-1])],
        "judged": [float(values[0]), round(float(judgement.distribution.ppf(0.5)), 3), float(values[-1])],
        "figures": np.round(figures, 3).tolist(),
        "inside": round(inside, 6),
        "tail": round(tail, 6),
        "apart": tail < APART,
    }


def all_in_words(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each judgement, and one of advice if any is apart."""
    lines = [in_words(each) for each in found]
    return [*lines, ADVICE] if any(each["apart"] for each in found) else lines


def in_words(found: Mapping[str, Any]) -> str:
    """Return in sentences how far a judgement is from the figures, as `held_against` found it."""
    years = f", {_listed([str(year) for year in found['years']])}" if found["years"] else ""
    (low, middle, high), (least, about, most) = found["judged"], found["figures"]
    between = f"{found['chances'][1] - found['chances'][0]:.0%}"
    weak = found["removed"] < TOLD
    source = "published figures hardly tell this number; with what is believed of all areas they say"
    if not weak:
        source = "the published figures, with what is believed of all areas, say"
    lines = [
        f"{_LABELS[found['about']]}{years}: the workshop expected a factor of about {middle:.2f} ({between} of its "
        f"bets: {low:.2f} to {high:.2f}); {source} about {about:.2f} ({least:.2f} to {most:.2f})."
    ]
    if not found["apart"]:
        return f"{lines[0]} The two agree as well as can be expected."
    share = "Hardly any" if found["inside"] < 0.001 else f"Only {_one_in(found['inside'])}"
    lines.append(
        f"{share} of what the figures leave open lies inside the workshop's range. Were both right about how sure they "
        f"are, they would be as far apart as this in {_one_in(found['tail'])} cases."
    )
    return " ".join(lines)


def _one_in(share: float) -> str:
    """Return a share as "1 in 200"; never more exact than it is."""
    if share >= 0.095:
        return f"{round(10 * share)} in 10"
    if share < 0.001:
        return "fewer than 1 in 1,000"
    return f"1 in {float(f'{1 / share:.1g}' if share < 0.02 else f'{1 / share:.2g}'):.0f}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
