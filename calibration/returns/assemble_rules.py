"""What assembling can find: rules, in the order of the notes that `assemble_loop` puts on facts."""

from __future__ import annotations

from calibration.returns import assemble_loop as loop
from calibration.returns.findings import Effect, Rule


def _rule(code: str, sentence: str, action: str, effect: Effect = "noted") -> Rule:
    return Rule(f"log-{code}", sentence, action, "docs/how_to/returns.md", effect)


NOTES: dict[int, Rule] = {
    loop.FILLED_IN: _rule(
        "step-filled-in",
        "The return does not tell how the child came here from where it was.",
        "The shortest way that the journey permits was filled in; its rows are marked as inferred.",
        "mended",
    ),
    loop.ASSESSMENT_PRESUMED: _rule(
        "assessment-presumed",
        "A referral goes on, and no assessment, enquiry or entry into care is told in its week.",
        "The child is being assessed from the week of the referral; the row is marked as inferred.",
        "mended",
    ),
    loop.PLAN_PRESUMED: _rule(
        "plan-presumed",
        "The case stays open after the assessment or enquiry, and no plan is told.",
        "The child is on a child in need plan from that day; the row is marked as inferred.",
        "mended",
    ),
    loop.ENQUIRY_CAPPED: _rule(
        "enquiry-end-presumed",
        "No conference of the enquiry is told, nor an assessment or a plan that ended it, nor does an assessment go on "
        "beside it that is still in time.",
        "It was ended 15 working days after it began, the time in which a conference is to be held (Working Together "
        "to Safeguard Children); if the case is open then, the child is on a child in need plan. The row is marked as "
        "inferred.",
        "mended",
    ),
    loop.NO_SUCH_MOVE: _rule(
        "no-such-move",
        "The child moved to another home of the same kind, which the journey has for foster homes, children's homes "
        "and supported accommodation only.",
        "The move is not in the log; the child stays in that kind of home.",
        "left out",
    ),
    loop.NEED_AFTER_CARE: _rule(
        "need-after-care",
        "The child is home from care, under an order or adopted, and is referred, assessed, enquired about or planned "
        "for.",
        "It is not in the log: in the journey the only way on from there is back into care, or growing up.",
        "left out",
    ),
    loop.NEED_IN_CARE: _rule(
        "need-in-care",
        "The child is looked after, and is referred, assessed, enquired about or planned for.",
        "It is not in the log: the journey tells the highest status only, which is being looked after.",
        "left out",
    ),
    loop.REFERRED_AGAIN: _rule(
        "referred-again",
        "A referral came while an earlier one was open, or while early help or a plan ran.",
        "It is not in the log; the case goes on.",
        "left out",
    ),
    loop.AFTER_18: _rule(
        "after-18",
        "Something began after the 18th birthday.",
        "It is not in the log, which ends at 18.",
        "left out",
    ),
    loop.EXIT_PRESUMED: _rule(
        "exit-presumed",
        "A period of care ended, and how is not told.",
        "It was taken as left for another reason; the row is marked as inferred.",
        "mended",
    ),
    loop.LOST_FROM_SIGHT: _rule(
        "lost-from-sight",
        "The last that is told of the child is an episode that ended without a way out of care.",
        "The child is followed up to that day and not after it.",
        "noted",
    ),
    loop.NO_SUCH_ORDER: _rule(
        "order-outside-care",
        "The case was closed by an order (RC3, RC4) for a child who was not on a child protection plan.",
        "It was taken as closed: the journey has such orders after care and after a child protection plan only.",
        "mended",
    ),
    loop.AFTER_DEATH: _rule(
        "after-death",
        "Something began after the child's death.",
        "It is not in the log.",
        "left out",
    ),
    loop.NO_SUCH_STEP: _rule(
        "no-way",
        "The journey has no way from where the child was to where the return tells it is.",
        "The child stays where it was.",
        "left out",
    ),
    loop.NOT_IN_CARE: _rule(
        "not-in-care",
        "A move, or the end of care, of a child who is not looked after at that time.",
        "It is not in the log.",
        "left out",
    ),
}
"""Note on a fact -> its rule."""

_PRESUMED = (
    "The child counts as being assessed when the log begins. Since when is not known, so that stay says nothing of "
    "rates."
)
CASE_UNTOLD = _rule(
    "case-untold",
    "The case was open before the first file, and no assessment, enquiry or plan of it is told.",
    _PRESUMED,
    "mended",
)
STATE_PRESUMED = _rule(
    "state-presumed",
    "The case was open before the first file, and what is told of it began later: a file holds what its own year saw.",
    _PRESUMED,
    "mended",
)
NO_BIRTH = _rule(
    "no-birth-date",
    "No date of birth, nor an expected one, is told of the child.",
    "The child is not in the log: its age decides its rates.",
    "left out",
)
BEFORE_BIRTH = _rule(
    "before-birth",
    "Something happened before the child's birth (an unborn child, or a wrong date).",
    "It was put on the day of birth: the journey begins there.",
    "mended",
)
OUTSIDE = _rule(
    "after-the-window",
    "Something happened after the last day that all returns cover.",
    "It is not in the log.",
    "left out",
)
NO_HOME = _rule(
    "home-unknown",
    "The code of the home is blank or unknown.",
    "It was taken as another kind of home.",
    "mended",
)
NFA_WITH_ACTIVITY = _rule(
    "nfa-with-activity",
    "A referral says that no further action followed, and something followed.",
    "It was taken as a referral that went on.",
    "mended",
)
TWO_BIRTHS = _rule(
    "births-differ",
    "The date of birth of one child differs between the two returns.",
    "That of the return on looked-after children was taken.",
    "mended",
)
CARE_ALONE = _rule(
    "care-alone",
    "No return on referrals and plans was read, or its children could not be linked.",
    "The way into care was filled in for every child: a referral in the week of its entry, marked as inferred.",
    "mended",
)
