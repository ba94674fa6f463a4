"""Which element of a CIN Census may stand in which, and where its text goes: the schema as the XML reader walks it."""

from __future__ import annotations

from dataclasses import dataclass, field

from calibration.returns.cin_layout import HEADER, MODULE, MODULES, NOT_READ
from calibration.returns.reading_table import header_key

PLACE = 3
"""Number of the child, number of its CINdetails and line stand before the fields of a row."""


@dataclass(eq=False)
class Node:
    """What may stand inside an element: fields of `table`, and further elements.

    `inside` maps the name of an element as it stands in the file to its node, to the place of its field in a row, or to
    None where it is not read; names are added as they are met.
    """

    element: str
    table: str = ""
    width: int = 0
    known: dict[str, Node | int | None] = field(default_factory=dict)
    inside: dict[str, Node | int | None] = field(default_factory=dict)
    joined: int = -1
    each: bool = False


def grammar() -> Node:
    """Return the root of the census: elements of `cin_layout` put into each other as the schema has them."""
    nodes: dict[str, Node] = {}
    for module in MODULES:
        node = Node(module.element, module.table, len(module.fields))
        for i, told in enumerate(module.fields):
            node.known |= {header_key(name): i + PLACE for name in (told.element, *told.others)}
            node.joined = i + PLACE if told.kind == "factors" else node.joined
        node.known |= {header_key(name): None for name in module.ignored}
        nodes[module.table] = node
    named = {table: _names(table) for table in nodes}
    referrals, child = nodes["referrals"], Node("Child")
    for table in ("assessments", "enquiries", "need_plans", "protection_plans", "pre_proceedings"):
        referrals.known |= dict.fromkeys(named[table], nodes[table])
    # The specification has the block of 2026 inside CINdetails; a supplier may put it beside.
    for table in ("children", "referrals", "pre_proceedings"):
        child.known |= dict.fromkeys(named[table], nodes[table])
    child.known |= {header_key(name): None for name in NOT_READ}
    factors = Node("FactorsIdentifiedAtAssessment", "assessments", known=nodes["assessments"].known)
    factors.joined = nodes["assessments"].joined
    nodes["assessments"].known["FACTORSIDENTIFIEDATASSESSMENT"] = factors
    nodes["reviews"].each = True
    nodes["protection_plans"].known |= dict.fromkeys(named["reviews"], nodes["reviews"])
    header = Node("Header", "header", len(HEADER))
    header.known = {header_key(name): i + PLACE for i, name in enumerate(HEADER)}
    header.known |= {"COLLECTIONDETAILS": header, "COLLECTION": None, "SOURCE": None}
    children = Node("Children", known={"CHILD": child})
    message = Node("Message", known={"HEADER": header, "CHILDREN": children})
    return Node("", known={"MESSAGE": message})


def _names(table: str) -> list[str]:
    return [header_key(name) for name in (MODULE[table].element, *MODULE[table].others)]
