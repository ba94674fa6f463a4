"""The causal loop diagram says what the table says, and nothing else."""

import re
from xml.etree import ElementTree

from abm.behaviour import LOOPS, Behaviours
from abm.describe import in_words
from abm.journey import JOURNEY
from abm.loop_diagram import loop_diagram
from calibration.behaviours import read_behaviours
from tests.abm.behaviours import link

SHIPPED = read_behaviours()
SVG = "{http://www.w3.org/2000/svg}"
DRAWN = loop_diagram(SHIPPED, JOURNEY)
ROOT = ElementTree.fromstring(DRAWN)


def groups(text):
    return {g.find(f"{SVG}title").text: g for g in ElementTree.fromstring(text).iter(f"{SVG}g")}


def test_it_has_a_title_and_a_description_for_those_who_do_not_see_it():
    labelled = ROOT.get("aria-labelledby").split()
    by_id = {e.get("id"): e.text for e in ROOT.iter() if e.get("id")}
    assert ROOT.get("role") == "img"
    assert set(labelled) == set(by_id)
    for name in LOOPS.values():
        assert name in by_id["loops-desc"]
    assert f"{len(SHIPPED.links)} links" in by_id["loops-desc"]


def test_every_link_is_drawn_with_its_sign_delay_and_loops():
    drawn = groups(DRAWN)
    assert len(drawn) == len(SHIPPED.links)
    for k in SHIPPED.links:
        found = next(g for title, g in drawn.items() if title.startswith(f"{k.key}: "))
        words = [t.text for t in found.iter(f"{SVG}text")]
        assert words[0] == ("+" if k.sign > 0 else "\u2212")
        assert words[1] == " ".join(k.loops)
        assert (f"{k.delay_weeks}w" in words) == bool(k.delay_weeks)


def test_every_variable_and_loop_is_named():
    words = {t.text for t in ROOT.iter(f"{SVG}text")}
    for k in SHIPPED.links:
        if k.target[0] not in JOURNEY.transition_index:
            assert in_words(k.target[0]) in words
    assert {f"{code} {name}" for code, name in LOOPS.items()} <= words


def test_what_is_off_is_broken_and_grey():
    drawn = groups(loop_diagram(SHIPPED.without("R5"), JOURNEY))
    off = [title for title, g in drawn.items() if g.find(f"{SVG}path").get("stroke-dasharray")]
    assert sorted(title.split(":")[0] for title in off) == ["early_help_to_referrals", "spend_to_early_help"]
    assert all("(off)" in title for title in off)


def test_links_of_a_workshop_are_drawn_too():
    more = Behaviours((*SHIPPED.links, link("quality", "trust", delay=5), link("trust", "was_referred", sign=-1)))
    text = loop_diagram(more, JOURNEY)
    assert ">trust<" in text
    assert len(groups(text)) == len(SHIPPED.links) + 2
    few = loop_diagram(Behaviours((link("quality", "trust"), link("trust", "quality", delay=3))), JOURNEY)
    assert len(groups(few)) == 2


def test_boxes_do_not_cover_one_another_and_stay_inside():
    boxes = [tuple(float(r.get(a)) for a in ("x", "y", "width", "height")) for r in list(ROOT.iter(f"{SVG}rect"))[1:]]
    wide, tall = (float(n) for n in ROOT.get("viewBox").split()[2:])
    for i, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x
        assert x + w <= wide
        assert 0 <= y
        assert y + h <= tall
        for a, b, c, d in boxes[i + 1 :]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y


def test_it_is_the_same_text_every_time():
    assert loop_diagram(read_behaviours(), JOURNEY) == DRAWN
    assert not re.search(r"nan|inf\b", DRAWN)
