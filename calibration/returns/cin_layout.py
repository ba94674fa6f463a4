"""What a CIN Census holds: its modules, their elements and code lists, whether it comes as XML or as flat tables.

One record for each module tells which element or column goes where in the clean tables. What we do not need (UPN,
ethnicity, disability, target dates, counts of meetings) is named, so that it is known, and is never read.

Source of names: DfE, Children in need census: business and technical specification, 2020 to 2021 to 2025 to 2026. The
flat form (one table for each module) is the one in which Data to Insight's tools keep a census: it adds LAchildID,
CINdetailsID, AssessmentID and CPPID. The block for pre-proceedings and family group decision making came in 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FIRST_YEAR, LAST_YEAR = 2021, 2026
"""Census years whose specifications were read; others are read the same way."""

Kind = Literal["date", "code", "yes", "count", "key", "factors"]


@dataclass(frozen=True)
class Field:
    """One element of a module.

    Attributes
    ----------
    name
        Column of the clean table, or of an intermediate one.
    element
        Its name in the specification; in findings it stands for all its spellings.
    kind
        How it is read; a code has its list in `cin_codes`.
    others
        Other names it goes by: of other years, of flat tables.
    """

    name: str
    element: str
    kind: Kind
    codes: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Module:
    """One module of the census and the clean table it becomes.

    Attributes
    ----------
    table
        Table of `NeedTables`.
    element
        Element of the XML, name of the flat table; `others` are further names.
    fields
        What is read. The first is that without which a row is worth nothing.
    ignored
        What is known and not read.
    """

    table: str
    element: str
    fields: tuple[Field, ...]
    others: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def first(self) -> Field:
        """The field without which a row is worth nothing."""
        return self.fields[0]


CHILD = Field("child", "LAchildID", "key", others=("ChildID", "LA_Child_ID"))
DETAILS = Field("details", "CINdetailsID", "key", others=("CINdetails_ID",))
ASSESSMENT = Field("part", "AssessmentID", "key")
PLAN = Field("part", "CPPID", "key")

MODULES = (
    Module(
        "children",
        "ChildIdentifiers",
        (
            CHILD,
            Field("birth", "PersonBirthDate", "date"),
            Field("expected_birth", "ExpectedPersonBirthDate", "date"),
            # Called GenderCurrent up to the census of 2024.
            Field("sex", "Sex", "code", "sex", ("GenderCurrent", "Gender")),
            Field("death", "PersonDeathDate", "date"),
        ),
        ignored=("UPN", "FormerUPN", "UPNunknown"),
    ),
    Module(
        "referrals",
        "CINdetails",
        (
            Field("referred", "CINreferralDate", "date"),
            Field("source", "ReferralSource", "code", "source"),
            Field("primary_need", "PrimaryNeedCode", "code", "need"),
            Field("nfa", "ReferralNFA", "yes"),
            Field("closed", "CINclosureDate", "date"),
            Field("closure_reason", "ReasonForClosure", "code", "closure"),
            Field("conference", "DateOfInitialCPC", "date"),
        ),
    ),
    Module(
        "assessments",
        "Assessments",
        (
            Field("started", "AssessmentActualStartDate", "date"),
            Field("authorised", "AssessmentAuthorisationDate", "date"),
            Field("factors", "AssessmentFactors", "factors", "factor", ("AssessmentFactor", "Factors")),
        ),
        ignored=("AssessmentInternalReviewDate",),
    ),
    Module(
        "enquiries",
        "Section47",
        (
            Field("started", "S47ActualStartDate", "date"),
            Field("conference", "DateOfInitialCPC", "date"),
            Field("conference_not_required", "ICPCnotRequired", "yes"),
        ),
        ignored=("InitialCPCtarget",),
    ),
    # Since the census of 2022.
    Module(
        "need_plans",
        "CINPlanDates",
        (Field("start", "CINPlanStartDate", "date"), Field("end", "CINPlanEndDate", "date")),
    ),
    Module(
        "protection_plans",
        "ChildProtectionPlans",
        (
            Field("start", "CPPstartDate", "date"),
            Field("end", "CPPendDate", "date"),
            Field("initial_category", "InitialCategoryOfAbuse", "code", "abuse"),
            Field("latest_category", "LatestCategoryOfAbuse", "code", "abuse"),
            Field("previous_plans", "NumberOfPreviousCPP", "count"),
        ),
    ),
    Module("reviews", "Reviews", (Field("held", "CPPreviewDate", "date"),)),
    # Since the census of 2026. Nothing in it says how family group decision making went: offered, or not.
    Module(
        "pre_proceedings",
        "PreProceedingsandFGDM",
        (
            Field("started", "PPStartDate", "date"),
            Field("letter", "LBPSentDate", "date"),
            Field("decided", "StepDecisionDate", "date"),
            Field("outcome", "PPOutcome", "code", "outcome"),
            Field("court", "CourtAppDate", "date"),
        ),
        ("PreProceedings", "FGDM"),
        ("FGDMMeetingOffer", "FGDMMeetingFac", "InitialPPMeetingDate", "ReviewMeetingsCount", "LetterInitCPDate"),
    ),
)
"""Every module that is read, children and referrals first."""

MODULE = {module.table: module for module in MODULES}

HEADER = ("Year", "ReferenceDate")
"""What is read of the header of a file."""
NOT_READ = ("ChildCharacteristics", "Ethnicity", "Disabilities", "Disability", "AssessmentFactorsList")
"""Modules and columns that are known and not read on their own."""
