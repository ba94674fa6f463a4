"""A simulated run as CIN Census: one XML file for each year, in the elements and codes of that year.

A case is written in the census of every year in which it was open, as it stood on 31 March: what happened later is
blank. What the census asks and the model does not say:

* referral source 10 (not known), 5D from early help since 2023; primary need N1, N9 where no need was found; category
  of abuse neglect; factors 20 (other), 21 where no need was found; ethnicity NOBT, disability NONE;
* an enquiry runs beside an assessment, which is authorised when the enquiry ends: the census has no other date for it;
* a child who comes into care keeps the case open until care ends;
* for children who were known on day one: a referral, and an assessment six weeks before a plan.

Child in need plans are written from 2022 and pre-proceedings from 2026, as the census has them from then on. Early
help, returns home, and children looked after on day one or after a return home are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from xml.sax.saxutils import escape

from abm.journey import HOMES
from calibration.returns.dates import date_of
from calibration.returns.synthetic import SIMULATED, Event, Stories, Story, end_of_year, start_of_year

RETURN = "the CIN Census"
NEED_PLANS_FROM, EARLY_HELP_FROM, PRE_PROCEEDINGS_FROM, SEX_FROM = 2022, 2023, 2026, 2025
"""Censuses from which plans of children in need, codes 5D and RC9, pre-proceedings and the element Sex are there."""
BEFORE_PLAN, BEFORE_CONFERENCE, BEFORE_LETTER = 6, 2, 26
"""Weeks from referral and assessment to a plan, from an enquiry to its conference, from a child protection plan to
pre-proceedings, for children who were there on day one."""
CLOSED_AS = {
    "found_not_in_need": "RC8",
    "enquiry_closed": "RC8",
    "was_adopted": "RC1",
    "child_arrangements_granted": "RC3",
    "went_to_live_with_kin": "RC3",
    "special_guardianship_granted": "RC4",
    "transferred_to_another_authority": "RC5",
    "left_care_at_18": "RC6",
    "grew_up": "RC6",
}
"""Reason for closure by transition; RC7 for all others, RC9 where early help follows an assessment."""

Lines = list[str]


@dataclass
class Span:
    """Something with a beginning and, in time, an end: an assessment, a plan. Days."""

    start: int
    end: int | None = None


@dataclass
class Enquiry(Span):
    """A section 47 enquiry; `conference` is its day, if one was held."""

    conference: int | None = None


AnySpan = TypeVar("AnySpan", bound=Span)


@dataclass
class Case:
    """One referral and all that followed: what the census calls CINdetails."""

    referred: int
    source: str = "10"
    nfa: bool = False
    not_in_need: bool = False
    closed: int | None = None
    reason: str = ""
    assessments: list[Span] = field(default_factory=list)
    enquiries: list[Enquiry] = field(default_factory=list)
    need_plans: list[Span] = field(default_factory=list)
    protection_plans: list[Span] = field(default_factory=list)
    pre_proceedings: list[Span] = field(default_factory=list)
    to_court: bool = False

    def end_all(self, day: int) -> None:
        """End what is still open."""
        plans = (*self.need_plans, *self.protection_plans, *self.pre_proceedings)
        for span in (*self.assessments, *self.enquiries, *plans):
            span.end = day if span.end is None else span.end

    @staticmethod
    def end_last(spans: list[Span], day: int) -> None:
        """End the last span, if it is open."""
        if spans and spans[-1].end is None:
            spans[-1].end = day

    def close(self, day: int, reason: str) -> None:
        """Close the case and end what is still open."""
        self.end_all(day)
        self.closed, self.reason = day, reason


def cases_of(story: Story) -> list[Case]:
    """Return the cases of a child, in order."""
    cases = _case_on_day_one(story)
    for event in story.events:
        day = story.day(event)
        if event.transition == "was_referred":
            cases.append(Case(day, "5D" if event.source == "receiving_early_help" else "10"))
        elif cases and cases[-1].closed is None and not cases[-1].nfa:
            _go_on(cases[-1], event, day)
    return cases


def _case_on_day_one(story: Story) -> list[Case]:
    """Return the case of a child who was known on day one, with what must have come before."""
    state, since = story.state, story.since

    def day(weeks_before: int, order: int = 0) -> int:
        return story.day_in(max(since - weeks_before, story.birth_week), order)

    if state in ("being_assessed", "under_enquiry"):
        case = Case(day(0))
        case.assessments.append(Span(day(0)))
        if state == "under_enquiry":
            case.enquiries.append(Enquiry(day(0)))
    elif state in ("in_need", "in_need_under_enquiry"):
        case = Case(day(BEFORE_PLAN), assessments=[Span(day(BEFORE_PLAN), day(0))], need_plans=[Span(day(0))])
        if state == "in_need_under_enquiry":
            # The clock is that of the plan; when the enquiry began the run does not say.
            begun = story.day_in(max(since, -BEFORE_CONFERENCE), 3)
            case.enquiries.append(Enquiry(begun))
            case.assessments.append(Span(begun))
    elif state in ("protected", "in_pre_proceedings"):
        earlier = BEFORE_LETTER if state == "in_pre_proceedings" else 0
        begun, planned = day(BEFORE_CONFERENCE + earlier), day(earlier)
        case = Case(begun, assessments=[Span(begun, planned)], enquiries=[Enquiry(begun, planned, planned)])
        case.protection_plans.append(Span(planned))
        if earlier:
            case.pre_proceedings.append(Span(day(0)))
    else:
        return []
    return [case]


def _go_on(case: Case, event: Event, day: int) -> None:
    """Add an event to an open case."""
    name = event.transition
    if name in ("closed_with_no_further_action", "passed_to_early_help"):
        case.nfa = True
    elif name == "assessment_began":
        case.assessments.append(Span(day))
    elif name in ("enquiry_began", "enquiry_began_on_plan"):
        case.enquiries.append(Enquiry(day))
        if not case.assessments or case.assessments[-1].end is not None:
            case.assessments.append(Span(day))
    elif name == "came_into_care":
        case.to_court = event.source == "in_pre_proceedings"
        case.end_all(day)
        if not case.assessments:
            case.assessments.append(Span(day, day))
    elif name in ("child_in_need_plan_began", "conference_kept_child_in_need", "child_in_need_plan_went_on"):
        case.end_last(case.assessments, day)
        if name == "conference_kept_child_in_need":
            case.enquiries[-1].conference = day
        for enquiry in case.enquiries:
            enquiry.end = day if enquiry.end is None else enquiry.end
        if name != "child_in_need_plan_went_on":
            case.need_plans.append(Span(day))
    elif name == "child_protection_plan_began":
        case.enquiries[-1].conference = day
        case.end_all(day)
        case.protection_plans.append(Span(day))
    elif name == "stepped_down_to_child_in_need":
        case.end_last(case.protection_plans, day)
        case.end_last(case.pre_proceedings, day)
        case.need_plans.append(Span(day))
    elif name == "pre_proceedings_began":
        case.pre_proceedings.append(Span(day))
    elif event.source != "entering_care" and not _moves(event):
        case.not_in_need = name == "found_not_in_need"
        reason = CLOSED_AS.get(name, "RC7")
        if name == "stepped_down_to_early_help" and event.source == "being_assessed":
            reason = "RC9"
        case.close(day, reason)


def _moves(event: Event) -> bool:
    return event.source in HOMES and event.target in HOMES


# One census ----------------------------------------------------------------------------------------------------------


def write_cin(stories: Stories, folder: Path) -> list[Path]:
    """Write the census of every year; returns the paths."""
    children: dict[int, Lines] = {year: [] for year in stories.years}
    for story in stories:
        cases = cases_of(story)
        for year in stories.years if cases else ():
            children[year] += _child(story, cases, year)
    written = []
    for year, lines in children.items():
        path = folder / f"{SIMULATED}_cin_census_{year}.xml"
        header = [
            '<?xml version="1.0" encoding="utf-8"?>',
            "<!-- Simulated, not real children: written by journeys-abm. -->",
            "<Message>", " <Header>", "  <CollectionDetails>", "   <Collection>CIN</Collection>",
            f"   <Year>{year}</Year>", f"   <ReferenceDate>{year}-03-31</ReferenceDate>", "  </CollectionDetails>",
            "  <Source>", "   <SourceLevel>L</SourceLevel>", "   <SoftwareCode>journeys-abm, simulated</SoftwareCode>",
            "  </Source>", " </Header>", " <Children>",
        ]  # fmt: skip
        text = "\n".join([*header, *lines, " </Children>", "</Message>", ""])
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _child(story: Story, cases: list[Case], year: int) -> Lines:
    """Return the lines of a child in the census of a year; none where no case was open."""
    begin, until = start_of_year(year), end_of_year(year)
    previous, details = 0, Lines()
    for case in cases:
        plans_before = previous
        previous += len(case.protection_plans)
        last = case.referred if case.nfa else case.closed
        if case.referred <= until and (last is None or last >= begin):
            details += _details(case, year, until, plans_before)
    if not details:
        return details
    element, codes = ("Sex", "FM") if year >= SEX_FROM else ("GenderCurrent", "21")
    sex = _cell(element, codes[story.sex])
    return [
        "<Child>", "<ChildIdentifiers>", _cell("LAchildID", story.key), _cell("UPNunknown", "UN2"),
        _day("PersonBirthDate", story.born, until), sex, "</ChildIdentifiers>", "<ChildCharacteristics>",
        _cell("Ethnicity", "NOBT"), "<Disabilities>", _cell("Disability", "NONE"), "</Disabilities>",
        "</ChildCharacteristics>", *details, "</Child>",
    ]  # fmt: skip


def _details(case: Case, year: int, until: int, plans_before: int) -> Lines:
    closed = case.closed is not None and case.closed <= until
    source = case.source if year >= EARLY_HELP_FROM else "10"
    reason = "RC7" if case.reason == "RC9" and year < EARLY_HELP_FROM else case.reason
    lines = [
        "<CINdetails>", _day("CINreferralDate", case.referred, until), _cell("ReferralSource", source),
        _cell("PrimaryNeedCode", "N9" if case.not_in_need and closed else "N1"),
        _day("CINclosureDate", case.closed, until), _cell("ReasonForClosure", reason if closed else ""),
    ]  # fmt: skip
    for assessment in _begun(case.assessments, until):
        done = assessment.end is not None and assessment.end <= until
        lines += [
            "<Assessments>", _day("AssessmentActualStartDate", assessment.start, until),
            _day("AssessmentAuthorisationDate", assessment.end, until),
        ]  # fmt: skip
        if done:
            factor = _cell("AssessmentFactors", "21" if case.not_in_need and closed else "20")
            lines += ["<FactorsIdentifiedAtAssessment>", factor, "</FactorsIdentifiedAtAssessment>"]
        lines.append("</Assessments>")
    if year >= NEED_PLANS_FROM:
        for plan in _begun(case.need_plans, until):
            lines += ["<CINPlanDates>", _day("CINPlanStartDate", plan.start, until)]
            lines += [_day("CINPlanEndDate", plan.end, until), "</CINPlanDates>"]
    for enquiry in _begun(case.enquiries, until):
        ended = enquiry.end is not None and enquiry.end <= until
        needless = ended and enquiry.conference is None
        lines += [
            "<Section47>", _day("S47ActualStartDate", enquiry.start, until),
            _day("DateOfInitialCPC", enquiry.conference, until),
            _cell("ICPCnotRequired", "true" if needless else "false"), "</Section47>",
        ]  # fmt: skip
    lines.append(_cell("ReferralNFA", "true" if case.nfa else "false"))
    for number, plan in enumerate(_begun(case.protection_plans, until)):
        lines += [
            "<ChildProtectionPlans>", _day("CPPstartDate", plan.start, until), _day("CPPendDate", plan.end, until),
            _cell("InitialCategoryOfAbuse", "NEG"), _cell("LatestCategoryOfAbuse", "NEG"),
            _cell("NumberOfPreviousCPP", str(plans_before + number)), "</ChildProtectionPlans>",
        ]  # fmt: skip
    if year >= PRE_PROCEEDINGS_FROM:
        for span in _begun(case.pre_proceedings, until):
            if span.end is not None and span.end < start_of_year(year):
                continue
            court = span.end if case.to_court else None
            lines += [
                "<PreProceedingsandFGDM>", _day("PPStartDate", span.start, until),
                _day("StepDecisionDate", span.end, until), _day("CourtAppDate", court, until),
                "</PreProceedingsandFGDM>",
            ]  # fmt: skip
    lines.append("</CINdetails>")
    return [line for line in lines if line]


def _begun(spans: list[AnySpan], until: int) -> Iterator[AnySpan]:
    return (span for span in spans if span.start <= until)


def _day(element: str, day: int | None, until: int) -> str:
    """Return an element with a date, or "" where it had not come by the day of the census."""
    return _cell(element, date_of(day).isoformat() if day is not None and day <= until else "")


def _cell(element: str, text: str) -> str:
    return f"<{element}>{escape(text)}</{element}>" if text else ""
