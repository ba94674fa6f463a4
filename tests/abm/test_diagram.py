"""The diagram shows what is declared: every state, every way out and how it comes about."""

import xml.etree.ElementTree as ET

import pytest

from abm.describe import told
from abm.diagram import diagram
from abm.journey import JOURNEY
from abm.pathway import Journey, State, Transition
from tests.abm.toys import THREE, TWO

SVG = "{http://www.w3.org/2000/svg}"
journeys = pytest.mark.parametrize("journey", [JOURNEY, THREE, TWO], ids=["declared", "three", "two"])


@journeys
def test_the_diagram_has_a_row_for_each_state_and_a_mark_for_each_way_out(journey):
    root = ET.fromstring(diagram(journey))
    texts = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    for state in journey.states:
        assert state.label in texts
    columns = root.findall(f"{SVG}g")
    assert len(columns) == len(journey.transitions)
    for column, transition in zip(columns, journey.transitions, strict=True):
        assert column.find(f"{SVG}title").text == told(transition.sentence)
        marks = column.findall(f"{SVG}circle") + column.findall(f"{SVG}rect")
        assert len(marks) == len(transition.sources)
        assert column.findall(f"{SVG}path")


def test_the_diagram_can_be_read_without_seeing_it():
    root = ET.fromstring(diagram(JOURNEY))
    assert root.get("role") == "img"
    named = root.get("aria-labelledby").split()
    assert {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")} == set(named)
    assert "http" not in diagram(JOURNEY).replace("http://www.w3.org/2000/svg", "")


def test_the_diagram_tells_apart_how_a_transition_comes_about():
    columns = {column.find(f"{SVG}title").text: column for column in ET.fromstring(diagram(THREE)).findall(f"{SVG}g")}
    filled = [circle.get("fill") != "#ffffff" for circle in columns["was_asked"].findall(f"{SVG}circle")]
    assert filled == [True]
    assert columns["help_began"].find(f"{SVG}circle").get("fill") == "#ffffff"
    assert columns["grew_up"].find(f"{SVG}circle") is None
    assert len(columns["grew_up"].findall(f"{SVG}rect")) == 2


def test_words_in_the_diagram_cannot_break_it():
    journey = Journey(
        (State("one", "<b>&", "", "#000000", "home"), State("two", "two", "", "#000000", "left")),
        (Transition("went", ("one",), "two", 'a "<" b'),),
    )
    assert "<b>&" in ["".join(e.itertext()) for e in ET.fromstring(diagram(journey)).iter(f"{SVG}text")]
