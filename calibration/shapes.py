"""Shapes that are published for England only: how long, at what age, in which home.

They give the form of a distribution where an authority has no figures of its own. Each is the latest year that its
table has; `year` and `source_id` say which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abm.errors import CareError
from calibration.statistics import ENGLAND, Statistics

Shape = dict[str, Any]
Bands = dict[str, tuple[int, int | None]]

_AGES = {
    "0": ("Under 1 year", "Under 1"),
    "1_4": ("1 to 4 years", "1-4 years"),
    "5_9": ("5 to 9 years", "5-9 years"),
    "10_15": ("10 to 15 years", "10-15 years"),
    "16_17": ("16 years and over", "16 & over"),
}

# Days from, days to (None: no end).
_CARE_BANDS: Bands = {
    "1. Under 2 weeks": (0, 14),
    "2. From 2 weeks to under 8 weeks": (14, 56),
    "3. From 8 weeks to under 6 months": (56, 183),
    "4. From 6 months to under 1 year": (183, 365),
    "5. From 1 year to under 2 years": (365, 730),
    "6. From 2 years to under 3 years": (730, 1096),
    "7. From 3 years to under 5 years": (1096, 1826),
    "8. From 5 years to under 10 years": (1826, 3652),
    "9. 10 years and over": (3652, None),
}
_PLAN_BANDS: Bands = {
    "3 months or less": (0, 91),
    "more than 3 months to 6 months": (91, 183),
    "more than 6 months, less than 1 year": (183, 365),
    "1 year, less than 2 years": (365, 730),
    "2 years or more": (730, None),
}
_PLACEMENT_BANDS: Bands = {
    "1 to 7 days": (0, 7),
    "From 8 days to under 1 month": (7, 30),
    "From 1 month to under 3 months": (30, 91),
    "From 3 months to under 6 months": (91, 183),
    "From 6 months to under 1 year": (183, 365),
    "From 1 year to under 2 years": (365, 730),
    "From 2 years to under 5 years": (730, 1826),
    "From 5 years and over": (1826, None),
}
_NEED_BANDS: Bands = {
    "under 3 months": (0, 91),
    "3-6 months": (91, 183),
    "6 months - 1 year": (183, 365),
    "1-2 years": (365, 730),
    "2 years or more": (730, None),
}
# Working days.
_ASSESSMENT_BANDS: Bands = {
    "same day": (0, 0),
    "1-10 days": (1, 10),
    "11-20 days": (11, 20),
    "21-30 days": (21, 30),
    "31-40 days": (31, 40),
    "41-45 days": (41, 45),
    "46-50 days": (46, 50),
    "51-60 days": (51, 60),
    "61+ days": (61, None),
}
_CONFERENCE_BANDS: Bands = {
    "0-10 days": (0, 10),
    "11-15 days": (11, 15),
    "16-20 days": (16, 20),
    "21+ days": (21, None),
}
# How the duration table calls its groups, over the years.
_DURATION_GROUPS = {
    "foster_or_kinship": "Foster placements",
    "placed_for_adoption": "Placed for adoption",
    "with_parents": "Placed with parents or other persons? with parental responsibility",
    "secure_or_childrens_home": "Secure homes and children's homes",
    "supported": "Independent and semi-independent living arrangements/ supported accommodation",
    "other": "Other placements?",
    "other_residential": "Other residential settings",
    "residential_school": "Residential schools",
}
_ADOPTION_STAGES = {
    "entry_to_decision": "1. ",
    "decision_to_match": "2. ",
    "match_to_placed": "3. ",
    "placed_to_adopted": "5. ",
    "entry_to_adopted": "6. ",
}
_REGISTERED = "registration of supported accommodation moved children to other placements in 2023 to 2025"

# The number before a group's name changes from table to table and year to year, so groups go by their words.
_PLACEMENTS = {
    "kinship": r"1[ab]\.1\.? Total foster placements (in|out)side council boundary with relative or friend",
    "foster": r"1[ab]\.2\.? Total foster placements (in|out)side council boundary with other foster carer",
    "placed_for_adoption": r"\d\.? Total placed for adoption",
    "with_parents": r"\d\.? Total placed with parents or other person with parental responsibility",
    "secure": r"\d[a-z]\.? Secure home placement (in|out)side the council boundary",
    "childrens_home": r"\d[a-z]\.? Total children's homes subject to children's homes regulations",
    "supported": r"\d\.? Total independent and semi-independent living arrangements/ supported accommodation",
    "other": r"\d\.? Total (other residential settings|residential schools|other placements)",
}


def published_shape(statistics: Statistics) -> dict[str, Shape]:
    """Return England's shapes by name.

    Returns
    -------
    Each shape is `{"year": int, "measure": str, "source_id": str, "note": str}` and one of

    * `"bands"`: list of `{"low", "high", "share"}`, in days or, where the name says so, in working days; high is
      None where there is no end; the shares sum to 1;
    * `"shares"`: label -> share; they sum to 1;
    * `"means"`: label -> mean, in the unit at the end of the name;
    * `"groups"`: label -> `{"bands", "mean", "median", "count"}`.

    Raises
    ------
    CareError
        When the table lacks a shape, as it does without figures of England.
    """
    england = _England(statistics)
    ceased, started, stock = "national_cla_ceased_by", "national_cla_started_by", "national_cla_at_31_march_by"
    periods, uasc = "national_cla_ceased_number_of_periods_or_placements", "national_cla_uasc_at_31_march_by"
    cin, cpp = "national_cin_at_31_march_by_characteristic", "national_cpp_at_31_march_by_characteristic"
    care = {f"Duration of last period of care | {band}": days for band, days in _CARE_BANDS.items()}
    leaving = _ages("Age on ceasing | {}", 0)
    leaving["16_17"] = r"^Age on ceasing \| 1[67] years$"
    leaving["18"] = r"^Age on ceasing \| Ceased .*18th birthday$"
    homes = {"foster": "Foster", "childrens_home": "Secure homes", "supported": "Independent", "other": "Other"}
    # The same bands are written in two ways in the two measures.
    need_ended = {band.replace("1-2", "1 - 2"): days for band, days in _NEED_BANDS.items()}
    return {
        "care_duration_at_ceasing_days": england.bands(ceased, care),
        "placement_at_start": england.shares(started, _grouped("Placement group"), _REGISTERED),
        "placement_at_31_march": england.shares(stock, _grouped("Placement"), _REGISTERED),
        "placement_at_ceasing": england.shares(ceased, _grouped("Placement group"), _REGISTERED),
        "placement_duration_days": england.placement_durations(),
        "age_at_start": england.shares(started, _ages("Age on starting | {}", 0)),
        "age_at_31_march": england.shares(stock, _ages("Age group | {}", 0)),
        "age_at_ceasing": england.shares(ceased, leaving),
        "periods_of_care_at_ceasing": england.shares(periods, _numbered("Number of periods of care")),
        "placements_at_ceasing": england.shares(periods, _numbered("Number of placements")),
        "uasc_age_at_31_march": england.shares(
            uasc, {"under_16": r"^Age group \| Under 16 years$", "16_17": r"^Age group \| 16 years and over$"}
        ),
        "uasc_placement_at_31_march": england.shares(
            uasc, {home: f"^Placements \\| \\d\\. {words}" for home, words in homes.items()}, _REGISTERED
        ),
        "uasc_sex_at_31_march": england.shares(uasc, {"female": r"^Gender \| Female$", "male": r"^Gender \| Male$"}),
        "cpp_duration_at_31_march_days": england.bands("cpp_at_31_march_by_duration", _PLAN_BANDS),
        "cpp_duration_at_ending_days": england.bands("cpp_ended_by_duration", _PLAN_BANDS),
        "cpp_age_at_31_march": england.shares(
            cpp, {**_ages("Age: {} | CPP At31", 1), "unborn": r"^Age: Unborn \| CPP At31$"}
        ),
        "cin_age_at_31_march": england.shares(cin, {**_ages("Age: {}", 0), "unborn": "^Unborn: Unborn$"}),
        "cin_duration_at_31_march_days": england.bands_by_measure(
            "lait: Children in Need, by duration ({})", _NEED_BANDS
        ),
        "cin_duration_at_ending_days": england.bands_by_measure(
            "lait: Percentage of Children who cease to be in Need by duration ({})", need_ended
        ),
        "assessment_working_days": england.bands("assessment_duration_working_days", _ASSESSMENT_BANDS),
        "conference_working_days": england.bands("s47_start_to_icpc_working_days", _CONFERENCE_BANDS),
        "adoption_stage_months": england.adoption_stages(),
    }


def _grouped(group: str) -> dict[str, str]:
    return {name: f"^{group} \\| {words}$" for name, words in _PLACEMENTS.items()}


def _ages(form: str, column: int) -> dict[str, str]:
    return {age: f"^{re.escape(form.format(labels[column]))}$" for age, labels in _AGES.items()}


def _numbered(group: str) -> dict[str, str]:
    numbers = {str(number): str(number) for number in range(1, 10)} | {"10_or_more": "10 or more"}
    return {key: f"^{group} \\| {label} \\| Total$" for key, label in numbers.items()}


@dataclass(frozen=True)
class _England:
    """Takes the latest year of one of England's measures apart."""

    statistics: Statistics

    def latest(self, measure: str, pattern: str, unit: str | None = None) -> tuple[Shape, dict[str, float]]:
        """Return what heads a shape, and breakdown -> value, of the latest year with breakdowns like `pattern`."""
        kinds = {name for names in self.statistics.breakdowns(measure).values() for name in names}
        series = {
            name: self.statistics.cells(ENGLAND, measure, name, unit) for name in kinds if re.search(pattern, name)
        }
        years = {year for cells in series.values() for year in cells}
        if not years:
            raise self._lacks(measure)
        year = max(years)
        cells = {name: series[name][year] for name in sorted(series) if year in series[name]}
        head = {"year": year, "measure": measure, "source_id": next(iter(cells.values())).source_id, "note": ""}
        return head, {name: cell.value for name, cell in cells.items()}

    def shares(self, measure: str, patterns: Mapping[str, str], note: str = "") -> Shape:
        """Return the share of each group; a group has all breakdowns that are like its pattern."""
        head, values = self.latest(measure, "|".join(patterns.values()))
        sums = {
            group: sum(value for name, value in values.items() if re.search(pattern, name))
            for group, pattern in patterns.items()
        }
        whole = sum(sums.values())
        return head | {"note": note, "shares": {group: part / whole for group, part in sums.items()}}

    def bands(self, measure: str, bands: Bands) -> Shape:
        """Return the share in each band of time."""
        head, values = self.latest(measure, "|".join(f"^{re.escape(name)}$" for name in bands))
        return head | {"bands": _shared(bands, values)}

    def bands_by_measure(self, form: str, bands: Bands) -> Shape:
        """Return the share in each band of time, where every band is a measure of its own."""
        heads = [self.latest(form.format(band), "") for band in bands]
        if len({head["year"] for head, _ in heads}) > 1:
            raise self._lacks(form.format("..."))
        values = {band: next(iter(found.values())) for band, (_, found) in zip(bands, heads, strict=True)}
        return heads[0][0] | {"measure": form.format("..."), "bands": _shared(bands, values)}

    def placement_durations(self) -> Shape:
        """Return how long placements had lasted when they ended, by group; bands, mean and median in days."""
        head: Shape = {}
        groups: dict[str, Shape] = {}
        for group, words in _DURATION_GROUPS.items():
            head, values = self.latest("national_placement_duration", f"^{words} \\|")
            found = {name.split(" | ")[1]: value for name, value in values.items()}
            groups[group] = {
                "bands": _shared(_PLACEMENT_BANDS, found),
                "mean": found["Average duration (days)"],
                "median": found["Median duration (days)"],
                "count": found["All placements"],
            }
        return head | {"groups": groups}

    def adoption_stages(self) -> Shape:
        """Return the mean months of each stage from entry into care to adoption."""
        head, values = self.latest("national_adoption_stage_average_time", r"^\d\. .* \| Total$")
        means = {
            stage: next(value for name, value in values.items() if name.startswith(number))
            for stage, number in _ADOPTION_STAGES.items()
        }
        return head | {"means": means}

    def _lacks(self, measure: str) -> CareError:
        where = f"{self.statistics.path}, column measure"
        return CareError(f"England's figures of '{measure}' are not in the table", where, "Use a table that has them.")


def _shared(bands: Bands, values: Mapping[str, float]) -> list[Shape]:
    """Return the bands with their shares; a band without a figure has none."""
    whole = sum(values.get(name, 0.0) for name in bands)
    return [{"low": low, "high": high, "share": values.get(name, 0.0) / whole} for name, (low, high) in bands.items()]
