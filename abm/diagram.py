"""The journey as a diagram, derived from its declaration: a picture that says the same as `describe.listing`."""

from __future__ import annotations

from html import escape

from abm.describe import AT_ONCE, CHANCE, PLAN, STAGE_WORDS, by_stage, how, in_words, told
from abm.pathway import Journey, State, Transition

_LEFT, _TOP, _ROW, _COLUMN, _GAP = 360, 226, 26, 21, 12
_INK, _QUIET = "#0b0c0c", "#505a5f"


def diagram(journey: Journey) -> str:
    """Return the journey as an SVG: a row for each state, by stages, and a column for each transition.

    A column has a mark in the row of every state that the transition leaves (a dot: by chance, week by week; a ring:
    at once; a square: on a planned week or a birthday) and an arrowhead in the row of the state it leads to.
    """
    rows: dict[str, float] = {}
    y, bands = float(_TOP), []
    width = _LEFT + _COLUMN * len(journey.transitions) + 20
    for stage, states in by_stage(journey):
        bands.append((stage, y, _ROW * len(states)))
        for state in states:
            rows[state.key] = y + _ROW / 2
            y += _ROW
        y += _GAP
    height = y + 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" role="img" '
        'aria-labelledby="title desc" font-family="Arial, Helvetica, sans-serif" font-size="13">',
        '<title id="title">A child\'s journey: states and transitions</title>',
        f'<desc id="desc">{len(journey.states)} states as rows in {len(bands)} stages and '
        f"{len(journey.transitions)} transitions as columns. Each column has a mark for every state that the "
        "transition leaves and an arrowhead at the state it leads to. The same is given as text beside this "
        "diagram.</desc>",
        f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>',
    ]
    for stage, top, tall in bands:
        out.append(f'<rect x="0" y="{top:g}" width="{width}" height="{tall:g}" fill="#f3f2f1"/>')
        words = escape(STAGE_WORDS[stage])
        out.append(f'<text x="8" y="{top + 17:g}" fill="{_QUIET}" font-weight="bold">{words}</text>')
    for state in journey.states:
        out += _state_row(state, rows[state.key], width)
    for place, transition in enumerate(journey.transitions):
        out += _transition_column(journey, transition, _LEFT + _COLUMN * (place + 0.5), rows)
    out += [*_key(height - 14), "</svg>"]
    return "\n".join(out) + "\n"


def _state_row(state: State, y: float, width: int) -> list[str]:
    slant = ' font-style="italic"' if state.at_once else ""
    return [
        f'<line x1="{_LEFT}" x2="{width}" y1="{y:g}" y2="{y:g}" stroke="#d0d3d4"/>',
        f'<rect x="{_LEFT - 14}" y="{y - 9:g}" width="10" height="18" fill="{state.colour}" stroke="{_QUIET}"/>',
        f'<text x="{_LEFT - 20}" y="{y + 4.5:g}" fill="{_INK}" text-anchor="end"{slant}>{escape(state.label)}</text>',
    ]


def _transition_column(journey: Journey, transition: Transition, x: float, rows: dict[str, float]) -> list[str]:
    end = rows[transition.target]
    starts = [rows[source] for source in transition.sources]
    top, bottom = min(end, *starts), max(end, *starts)
    words = escape(in_words(transition.key))
    out = [
        f"<g><title>{escape(told(transition.sentence))}</title>",
        f'<text transform="translate({x + 4.5:g} {_TOP - 8}) rotate(-90)" fill="{_INK}">{words}</text>',
        f'<line x1="{x:g}" x2="{x:g}" y1="{top:g}" y2="{bottom:g}" stroke="{_INK}" stroke-width="1.5"/>',
    ]
    for source, y in zip(transition.sources, starts, strict=True):
        out.append(_mark(how(journey, transition, source), x, y))
    # Heads leave room for the mark of a state that is left for itself: from one foster home to another.
    clear = 5 if end in starts else 0
    for side in dict.fromkeys(-1 if y > end else 1 for y in starts):
        head = f"M{x:g} {end + (1 - clear) * side:g} l-5.5 {-9 * side} h11 z"
        out.append(f'<path d="{head}" fill="#d4351c" stroke="#ffffff" stroke-width="0.8"/>')
    return [*out, "</g>"]


def _mark(manner: str, x: float, y: float) -> str:
    if manner == CHANCE:
        return f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{_INK}"/>'
    if manner == AT_ONCE:
        return f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="#ffffff" stroke="{_INK}" stroke-width="1.5"/>'
    return f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8" fill="{_INK}"/>'


def _key(y: float) -> list[str]:
    parts = ((CHANCE, "leaves by chance, by week"), (AT_ONCE, "leaves at once"), (PLAN, "leaves on a planned date"))
    out = []
    for place, (manner, words) in enumerate(parts):
        x = 16 + 230 * place
        out += [_mark(manner, x, y), f'<text x="{x + 12}" y="{y + 4.5:g}" fill="{_INK}">{words}</text>']
    x = 16 + 230 * len(parts)
    out.append(f'<path d="M{x} {y + 5:g} l-5.5 -9 h11 z" fill="#d4351c"/>')
    out.append(f'<text x="{x + 12}" y="{y + 4.5:g}" fill="{_INK}">arrives</text>')
    return out
