"""Make the project's own table of published figures from a larger one of the same form.

    python -m calibration.compile_published SOURCE_TABLE SOURCES --to FOLDER

writes `statistics.csv` (the five areas, the measures below) and `sources.csv` (the publications they come from) into
FOLDER. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from abm.errors import CareError
from calibration.publications import AREAS, chosen, write_cut
from calibration.statistics import Statistics, read_statistics

FIRST_YEAR = 2013
"""The children in need census has its present form from this year."""

_COUNT = r"^(number.*|persons.*|live births|months.*|working days)$"
_ANY = ".*"

# Measure -> (breakdowns, units), each a regular expression that must match the whole text.
_MEASURES: dict[str, tuple[str, str]] = {
    "referrals": (_ANY, _COUNT),
    "children_referred": (_ANY, _COUNT),
    "referrals_no_further_action": (_ANY, _COUNT),
    "referrals_assessed_not_in_need": (_ANY, _COUNT),
    "rereferrals_within_12_months": (_ANY, _ANY),
    "referrals_by_source": (_ANY, _COUNT),
    "cin_episodes_started": (_ANY, _COUNT),
    "cin_episodes_ended": (_ANY, _COUNT),
    "cin_at_31_march": (_ANY, _COUNT),
    "cin_at_31_march_by_duration": (_ANY, _COUNT),
    "cin_ended_by_duration": (_ANY, _COUNT),
    "cin_awaiting_assessment_at_31_march": (_ANY, _COUNT),
    "cin_plans_any_point_in_year": (_ANY, _COUNT),
    "cin_plans_at_31_march": (_ANY, _COUNT),
    "cin_plans_children_started": (_ANY, _COUNT),
    "cin_plans_ended": (_ANY, _COUNT),
    "cin_plans_started": (_ANY, _COUNT),
    "assessments_completed": (_ANY, _COUNT),
    "assessment_duration_working_days": (_ANY, _COUNT),
    "s47_enquiries": (_ANY, _COUNT),
    "s47_start_to_icpc_working_days": (_ANY, _COUNT),
    "initial_child_protection_conferences": (_ANY, _COUNT),
    "cpp_started": (_ANY, _COUNT),
    "cpp_ended": (_ANY, _COUNT),
    "cpp_at_31_march": (_ANY, _COUNT),
    "cpp_at_31_march_by_duration": (_ANY, _COUNT),
    "cpp_ended_by_duration": (_ANY, _COUNT),
    "cpp_started_second_or_subsequent": (_ANY, _ANY),
    "cla_at_31_march": (_ANY, _COUNT),
    "cla_started": (_ANY, _COUNT),
    "cla_ceased": (_ANY, _COUNT),
    "cla_at_31_march_by": (r"(Age group|Placement.*|Sex|Unaccompanied.*) \| .*", _COUNT),
    "cla_started_by": (r"(Age on starting|Unaccompanied.*) \| .*", _COUNT),
    "cla_ceased_by": (r"(Age on ceasing|Reason episode ceased|Unaccompanied.*) \| .*", _COUNT),
    "cla_placement_stability": (_ANY, _COUNT),
    "cla_new_placements_and_changes": (_ANY, _COUNT),
    "population_0_17": (_ANY, _COUNT),
    "population_single_year_of_age": (r"Persons \| age ([0-9]|1[0-9]|2[0-5])", _COUNT),
    "births": (_ANY, _COUNT),
    "national_cla_at_31_march_by": (r"(Age group|Placement) \| .*", _COUNT),
    "national_cla_started_by": (r"(Age on starting|Placement group) \| .*", _COUNT),
    "national_cla_ceased_by": (r"(Age on ceasing|Duration of last period of care|Placement group) \| .*", _COUNT),
    "national_placement_duration": (_ANY, _COUNT),
    "national_cla_ceased_number_of_periods_or_placements": (r".* \| Total", _COUNT),
    "national_cla_uasc_at_31_march_by": (r"(Age group|Gender|Placements) \| .*", _COUNT),
    "national_cin_at_31_march_by_characteristic": (r"(Age|Unborn|Total): .*", _COUNT),
    "national_cpp_at_31_march_by_characteristic": (r"(Age: .*|Gender: Total) \| CPP At31", _COUNT),
    "national_adoption_stage_average_time": (r".* \| Total", _COUNT),
    "lait: Ceased to be subject to Child Protection Plan": (_ANY, _ANY),
    "lait: Number of unaccompanied Asylum Seeking Children looked after": (_ANY, _ANY),
    "lait: % Children looked after who are unaccompanied Asylum Seeking Children": (_ANY, _ANY),
    "lait: % CLA starting to be looked after during the year who are unaccompanied Asylum Seeking Children": (
        _ANY,
        _ANY,
    ),
    "lait: Continuous assessments completed within 45 working days": (_ANY, _ANY),
    "lait: Percentage of child protection conferences held within 15 days": (_ANY, _ANY),
    "lait: Children in Need, by duration (under 3 months)": (_ANY, _ANY),
    "lait: Children in Need, by duration (3-6 months)": (_ANY, _ANY),
    "lait: Children in Need, by duration (6 months - 1 year)": (_ANY, _ANY),
    "lait: Children in Need, by duration (1-2 years)": (_ANY, _ANY),
    "lait: Children in Need, by duration (2 years or more)": (_ANY, _ANY),
    "lait: Percentage of Children who cease to be in Need by duration (under 3 months)": (_ANY, _ANY),
    "lait: Percentage of Children who cease to be in Need by duration (3-6 months)": (_ANY, _ANY),
    "lait: Percentage of Children who cease to be in Need by duration (6 months - 1 year)": (_ANY, _ANY),
    "lait: Percentage of Children who cease to be in Need by duration (1 - 2 years)": (_ANY, _ANY),
    "lait: Percentage of Children who cease to be in Need by duration (2 years or more)": (_ANY, _ANY),
}

# Population by age is published for few years: every one of them is needed, also those before FIRST_YEAR.
_ALL_YEARS = ("population_single_year_of_age", "population_0_17")


def select(statistics: Statistics, areas: Sequence[str] = AREAS) -> pl.DataFrame:
    """Return the rows of these areas and of the measures that the project uses, sorted.

    Raises
    ------
    CareError
        When a measure that is used is not in the table.
    """
    wanted = [(measure, *kinds, 0 if measure in _ALL_YEARS else FIRST_YEAR) for measure, kinds in _MEASURES.items()]
    return chosen(statistics, areas, wanted)


def compile_published(table: Path, sources: Path, folder: Path) -> None:
    """Write `statistics.csv` and `sources.csv` into `folder`; nothing is written unless both can be.

    Parameters
    ----------
    table
        A table of published figures, as `read_statistics` reads it.
    sources
        CSV with a column source_id and whatever else is known of each publication.
    folder
        Where to write; made when it is not there.

    Raises
    ------
    CareError
        When a file cannot be read, a measure is missing, or a figure has no source.
    """
    write_cut(select(read_statistics(table)), sources, folder / "statistics.csv", folder / "sources.csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, or 2 with one sentence when something has to be put right."""
    parser = argparse.ArgumentParser(prog="python -m calibration.compile_published", description=_summary())
    parser.add_argument("table", type=Path, help="table of published figures, .csv or .csv.gz")
    parser.add_argument("sources", type=Path, help="CSV of the publications it cites")
    parser.add_argument("--to", dest="folder", type=Path, required=True, help="folder to write into")
    options = parser.parse_args(arguments)
    try:
        compile_published(options.table, options.sources, options.folder)
    except CareError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _summary() -> str:
    return re.split(r"\n\n", __doc__ or "")[0]


if __name__ == "__main__":
    sys.exit(main())
