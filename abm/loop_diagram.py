"""The causal loop diagram of some behaviours as a picture: the same links as their table, and nothing else.

On the left is what is counted among the children, on the right what children live through; between them the system's
conditions. The loops close through the children: what happens on the right changes what is counted on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from abm.behaviour import HISTORY_WORDS, LOOPS, Behaviours, Link
from abm.describe import in_words
from abm.pathway import Journey

_INK, _QUIET, _MORE, _LESS, _OFF = "#0b0c0c", "#505a5f", "#12436D", "#801650", "#b1b4b6"
_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 1560, 120, 1270, 60, 48
_PLACES = {
    "permanent_workers": (380, 70), "vacancies": (610, 70), "agency_workers": (610, 170), "agency_share": (870, 80),
    "workers": (380, 180), "leavers": (760, 240), "experience": (1010, 235), "workload": (350, 330),
    "caseload": (540, 330), "quality": (900, 330), "anxiety": (1040, 430), "children_going_home": (420, 480),
    "support_at_return": (680, 450), "foster_carers": (620, 580), "scarcity": (420, 640), "price": (580, 730),
    "spend": (760, 780), "early_help_budget": (960, 740),
}  # fmt: skip
"""Where the variables of the shipped table stand; others are put in rows below them."""
_NEW_FROM = (420, 860)
_WORD = {histories: word for word, histories in HISTORY_WORDS.items()}


@dataclass(frozen=True)
class _Node:
    x: float
    y: float
    lines: tuple[str, ...]

    @property
    def half(self) -> tuple[float, float]:
        """Half its width and height."""
        return max(len(line) for line in self.lines) * 3.5 + 7, len(self.lines) * 7.5 + 4


def loop_diagram(behaviours: Behaviours, journey: Journey) -> str:
    """Return a causal loop diagram as an SVG, with a title and a description for those who do not see it.

    Signs stand at arrowheads, two bars and weeks on links that take time, codes of loops beside links; links that are
    off are grey and broken.
    """
    nodes, counted, lived = _nodes(behaviours, journey)
    lowest = max(node.y for node in nodes.values())
    height = lowest + 200
    on = [link for link in behaviours.links if link.strength]
    loops = [f"{code} {LOOPS[code]}" for code in LOOPS if any(code in k.loops for k in behaviours.links)]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        'aria-labelledby="loops-title loops-desc" font-family="Arial, Helvetica, sans-serif" font-size="13">',
        '<title id="loops-title">Causal loop diagram: the system\'s own behaviours</title>',
        f'<desc id="loops-desc">{len(on)} links that are on, of {len(behaviours.links)}, between what is counted among '
        f"children, {len(nodes) - counted - lived} conditions of the system, and what children live through. Loops: "
        f"{escape('; '.join(loops))}. Every link is a row of the table of behaviours.</desc>",
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        _words(_LEFT, 28, "Counted among children", "middle", _QUIET, bold=True),
        _words(700, 28, "The system", "middle", _QUIET, bold=True),
        _words(_RIGHT + 110, 28, "What children live through", "middle", _QUIET, bold=True),
    ]
    for link in sorted(behaviours.links, key=lambda k: k.strength > 0):
        out += _link(link, nodes[_source(link)], nodes[_target(link, journey)])
    for node in nodes.values():
        out += _box(node)
    out += [*_closing(lowest), *_key(loops, lowest + 88), "</svg>"]
    return "\n".join(out) + "\n"


def _source(link: Link) -> str:
    return f"counted: {link.target[0]}" if link.form == "weight" else link.source[0]


def _target(link: Link, journey: Journey) -> str:
    return f"lived: {link.key}" if link.target[0] in journey.transition_index else link.target[0]


def _nodes(behaviours: Behaviours, journey: Journey) -> tuple[dict[str, _Node], int, int]:
    """Return the nodes by name, how many of them are counted, and how many lived through."""
    links, nodes = behaviours.links, {}
    variables = dict.fromkeys(
        name
        for k in links
        for name in ((*k.source, *k.target) if k.form != "weight" else k.target)
        if name not in journey.transition_index
    )
    new = [name for name in variables if name not in _PLACES]
    for name in variables:
        if name in _PLACES:
            x, y = _PLACES[name]
        else:
            row, column = divmod(new.index(name), 4)
            x, y = _NEW_FROM[0] + 190 * column, _NEW_FROM[1] + 70 * row
        nodes[name] = _Node(x, y, (in_words(name),))
    weighed = dict.fromkeys(k.target[0] for k in links if k.form == "weight")
    for name in weighed:
        what = [word for k in links if k.form == "weight" and k.target[0] == name for word in k.source]
        said = [in_words(word) for word in what[:2]]
        more = (f"and {len(what) - 2} more",) if len(what) > 2 else ()
        nodes[f"counted: {name}"] = _Node(_LEFT, nodes[name].y, (*said, *more))
    _apart([f"counted: {name}" for name in weighed], nodes)
    acting = [k for k in links if k.target[0] in journey.transition_index]
    # By the height of where they come from, so that arrows cross little.
    acting.sort(key=lambda k: nodes[k.source[0]].y)
    for row, link in enumerate(acting):
        said = [in_words(t) for t in link.target[:1]]
        said += [f"and {len(link.target) - 1} more"] if len(link.target) > 1 else []
        known = [f"({_WORD[link.histories]})"] if _WORD[link.histories] else []
        nodes[f"lived: {link.key}"] = _Node(_RIGHT + 110, _TOP + _ROW * row, tuple([*said, *known]))
    return nodes, len(weighed), len(acting)


def _apart(names: Sequence[str], nodes: dict[str, _Node]) -> None:
    """Move boxes of one column down so that none covers another."""
    floor = 0.0
    for name in sorted(names, key=lambda n: nodes[n].y):
        node = nodes[name]
        y = max(node.y, floor + node.half[1] + 8)
        nodes[name] = _Node(node.x, y, node.lines)
        floor = y + node.half[1]


def _edge_of(node: _Node, towards: tuple[float, float]) -> tuple[float, float]:
    """Return where a line from the middle of a box leaves it."""
    dx, dy = towards[0] - node.x, towards[1] - node.y
    wide, tall = node.half
    reach = max(abs(dx) / wide, abs(dy) / tall, 1e-9)
    return node.x + dx / reach, node.y + dy / reach


def _link(link: Link, start: _Node, end: _Node) -> list[str]:
    colour = (_MORE if link.sign > 0 else _LESS) if link.strength else _OFF
    sign = "+" if link.sign > 0 else "\u2212"
    delay = f", after about {link.delay_weeks} weeks" if link.delay_weeks else ""
    said = f"{link.key}: {sign}{'' if link.strength else ' (off)'}{delay}; {' '.join(link.loops)}"
    if start is end:
        x, y = start.x, start.y + start.half[1]
        path = f"M{x - 8:.1f} {y:.1f} c-24 44 40 44 18 3"
        middle, head, ahead = (x - 2, y + 33), (x + 9, y), (x + 14, y + 14)
    else:
        bend = ((start.x + end.x) / 2 - (end.y - start.y) * 0.1, (start.y + end.y) / 2 + (end.x - start.x) * 0.1)
        tail, head = _edge_of(start, bend), _edge_of(end, bend)
        path = f"M{tail[0]:.1f} {tail[1]:.1f} Q{bend[0]:.1f} {bend[1]:.1f} {head[0]:.1f} {head[1]:.1f}"
        middle = tuple(0.25 * a + 0.5 * b + 0.25 * c for a, b, c in zip(tail, bend, head, strict=True))  # type: ignore[assignment]
        ahead = bend
    dx, dy = head[0] - ahead[0], head[1] - ahead[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    ux, uy = dx / length, dy / length
    off = "" if link.strength else ' stroke-dasharray="5 4"'
    back = head[0] - 9 * ux, head[1] - 9 * uy
    tip = " ".join(
        f"{x:.1f},{y:.1f}"
        for x, y in (head, (back[0] - 4 * uy, back[1] + 4 * ux), (back[0] + 4 * uy, back[1] - 4 * ux))
    )
    out = [
        f"<g><title>{escape(said)}</title>",
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"{off}/>',
        f'<polygon points="{tip}" fill="{colour}"/>',
        _halo(head[0] - 17 * ux - 8 * uy, head[1] - 17 * uy + 8 * ux + 4, sign, colour, 15),
        _halo(middle[0], middle[1] - 4, " ".join(link.loops), _QUIET, 10),
    ]
    if link.delay_weeks:
        x, y = middle
        out += [
            f'<path d="M{x - 2:.1f} {y - 1:.1f} v9 m4 0 v-9" stroke="{colour}" stroke-width="1.6"/>',
            _halo(x + 5, y + 8, f"{link.delay_weeks}w", _QUIET, 10, "start"),
        ]
    return [*out, "</g>"]


def _halo(x: float, y: float, words: str, colour: str, size: int, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
        f'paint-order="stroke" stroke="#ffffff" stroke-width="3">{escape(words)}</text>'
    )


def _words(x: float, y: float, words: str, anchor: str, colour: str = _INK, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _box(node: _Node) -> list[str]:
    wide, tall = node.half
    out = [
        f'<rect x="{node.x - wide:.1f}" y="{node.y - tall:.1f}" width="{2 * wide:.1f}" height="{2 * tall:.1f}" rx="4" '
        f'fill="#f3f2f1" stroke="{_QUIET}"/>'
    ]
    for row, line in enumerate(node.lines):
        out.append(_words(node.x, node.y + 4.5 + 15 * (row - (len(node.lines) - 1) / 2), line, "middle"))
    return out


def _closing(lowest: float) -> list[str]:
    y = lowest + 62
    return [
        f'<path d="M{_RIGHT + 110} {y:.0f} H{_LEFT + 6}" stroke="{_INK}" stroke-width="2"/>',
        f'<path d="M{_LEFT} {y:.0f} l10 -5 v10 z" fill="{_INK}"/>',
        _halo(700, y - 8, "What children live through changes who is counted: so the loops close", _INK, 13),
    ]


def _key(loops: Sequence[str], y: float) -> list[str]:
    out = []
    for place, words in enumerate(loops):
        row, column = divmod(place, 5)
        out.append(_words(20 + 290 * column, y + 12 + 22 * row, words, "start"))
    y += 12 + 22 * ((len(loops) + 4) // 5) + 6
    marks = "+ more makes more   \u2212 more makes less   || takes time (weeks)   broken line: off"
    return [*out, _words(20, y, marks, "start", _QUIET)]
