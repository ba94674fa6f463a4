"""What is told of a journey is what is declared: legend, listing and pages of reference."""

import json
import re
from math import inf

import pytest

from abm.describe import (
    in_words,
    legend,
    listing,
    reference_outputs,
    reference_parameters,
    reference_states,
    reference_transitions,
    slug,
    told,
)
from abm.journey import JOURNEY
from abm.outputs import OUTPUTS
from abm.parameters import Value
from abm.pathway import STAGES
from tests.abm.toys import THREE, TWO

journeys = pytest.mark.parametrize("journey", [JOURNEY, THREE, TWO], ids=["declared", "three", "two"])


@journeys
def test_the_legend_lists_states_and_transitions_in_the_order_of_their_codes(journey):
    told_of = json.loads(json.dumps(legend(journey)))
    assert [s["key"] for s in told_of["states"]] == list(journey.state_index)
    assert [t["key"] for t in told_of["transitions"]] == list(journey.transition_index)
    assert {"key", "label", "colour", "law", "stage"} <= set(told_of["states"][0])
    assert {"key", "sentence", "to", "law", "sources"} <= set(told_of["transitions"][0])
    assert all(s["stage"] in STAGES for s in told_of["states"])
    assert all(t["to"] in journey.state_index for t in told_of["transitions"])


@pytest.mark.parametrize("transition", JOURNEY.transitions, ids=lambda t: t.key)
def test_every_sentence_can_be_told(transition):
    sentence = told(transition.sentence)
    assert "{" not in sentence
    assert sentence[0].isupper()
    assert sentence.endswith(".")


def test_keys_become_words():
    assert in_words("placed_in_childrens_home") == "placed in children's home"
    assert in_words("pre_proceedings_began") == "pre-proceedings began"


@journeys
def test_the_listing_names_every_way_out_of_every_state(journey):
    lines = listing(journey).splitlines()
    assert sum(" -> " in line for line in lines) == journey.tables.n_edges
    assert [line for line in lines if line.startswith("  ") and " -> " not in line] == []


@journeys
def test_links_between_the_pages_lead_to_headings(journey):
    pages = {"states.md": reference_states(journey), "transitions.md": reference_transitions(journey)}
    anchors = {
        name: {slug(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
        for name, text in pages.items()
    }
    links = [link for text in pages.values() for link in re.findall(r"\]\((\w+\.md)#([^)]*)\)", text)]
    assert len(links) >= 2 * len(journey.transitions)
    assert [(page, anchor) for page, anchor in links if anchor not in anchors[page]] == []


def test_every_figure_is_on_the_page_of_figures():
    page = reference_outputs()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == len(OUTPUTS) + 2
    assert all(f"`{output.key}`" in page and output.published_as in page for output in OUTPUTS)


def number(key, value, status, low=0.0, high=inf, source="someone, 2020"):
    return Value(key, value, "ratio", low, high, status, source)


def test_assumed_numbers_are_marked_and_every_number_is_shown():
    values = (
        number("was_asked/at_home/age/0", 1.25, "fitted"),
        number("was_asked/at_home/age/1-4", 0.5, "assumed", source="a guess"),
        number("was_asked/helped/age/0", 1.25, "fitted"),
        number("was_asked/helped/age/1-4", 0.5, "assumed", source="a guess"),
        number("was_asked/level", 3.0, "published", low=1.5, high=6.0),
        number("help_ended/helped/band/26", inf, "derived"),
        number("homes_open", 7.0, "assumed"),
    )
    lines = reference_parameters(values).splitlines()
    assert "| at home; helped | 1.25\u00a0F | **0.5\u00a0A** | ratio | 0 to inf times | 1, 2 |" in lines
    assert "| every state | 3\u00a0P | ratio | 0.5 to 2 times | 1 |" in lines
    assert "| helped | certain\u00a0D | ratio | none | 1 |" in lines
    assert "| homes open | **7\u00a0A** | ratio | 0 to inf times | 1 |" in lines
    assert lines[-2:] == ["1. someone, 2020", "2. a guess"]
    assert "7 numbers: 1 published, 1 derived, 2 fitted, 3 assumed." in reference_parameters(values)


def test_states_with_other_keys_have_a_table_of_their_own():
    values = (number("was_asked/a/band/0", 1.0, "fitted"), number("was_asked/b/band/13", 1.0, "fitted"))
    page = reference_parameters(values)
    assert "| From | 0 | unit |" in page
    assert "| From | 13 | unit |" in page
