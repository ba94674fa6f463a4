"""A drawing of ours in a page: SVG taken apart into plain data, so that the page puts in no markup as text."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from abm.errors import CareError

SVG = "{http://www.w3.org/2000/svg}"
TAGS = ("svg", "g", "title", "desc", "rect", "path", "polygon", "text")
ATTRIBUTES = (
    "viewBox", "role", "aria-labelledby", "id", "font-family", "font-size", "font-weight", "text-anchor", "x", "y",
    "width", "height", "rx", "d", "points", "fill", "stroke", "stroke-width", "stroke-dasharray", "paint-order",
)  # fmt: skip
"""What a drawing may have: nothing that runs, loads or links."""


def drawing(svg: str) -> dict[str, Any]:
    """Return an SVG as {"tag", "attributes", "text", "inside"}.

    Errors
    ------
    CareError
        For a tag or an attribute that drawings do not have.
    """
    return _node(ElementTree.fromstring(svg))


def _node(element: ElementTree.Element) -> dict[str, Any]:
    tag = element.tag.removeprefix(SVG)
    for name, known in ((tag, TAGS), *((attribute, ATTRIBUTES) for attribute in element.attrib)):
        if name not in known:
            raise CareError(f"A drawing for a page has '{name}'", "the drawing", "Draw without it")
    return {
        "tag": tag,
        "attributes": dict(element.attrib),
        "text": (element.text or "").strip(),
        "inside": [_node(child) for child in element],
    }
