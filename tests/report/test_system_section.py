"""The section of the report on mechanisms: drawings as plain data, and the section in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from abm.behaviour import Behaviours
from abm.errors import CareError
from abm.journey import JOURNEY
from abm.loop_diagram import loop_diagram
from calibration.behaviours import read_behaviours
from experiments.report.drawing import drawing
from experiments.report.report_page import write_report_page
from tests.report.attacks import ATTACKS
from tests.report.toy import toy_report, toy_system

if TYPE_CHECKING:
    from tests.report.conftest import Looker

HOSTILE = "</script><img src=x onerror=alert(2)>"


def texts(node: dict[str, Any]) -> list[str]:
    return [node["text"], *(text for child in node["inside"] for text in texts(child))]


def test_a_drawing_holds_what_the_svg_holds() -> None:
    svg = loop_diagram(read_behaviours(), JOURNEY)
    node = drawing(svg)
    elements = list(ElementTree.fromstring(svg).iter())
    assert sorted(filter(None, texts(node))) == sorted(t for e in elements if (t := (e.text or "").strip()))
    assert node["attributes"]["viewBox"].startswith("0 0 ")
    assert node["inside"][0] == {
        "tag": "title", "attributes": {"id": "loops-title"}, "inside": [],
        "text": "Causal loop diagram: the system's own behaviours",
    }  # fmt: skip


@pytest.mark.parametrize(
    "inside",
    [
        "<script>1</script>", "<use href='#x'/>", "<g onclick='1'/>", "<image href='x'/>", "<a><g/></a>",
        "<foreignObject/>", "<style>a</style>", "<rect style='fill:red'/>", "<g xmlns='http://www.w3.org/1999/xhtml'/>",
        "<animate/>", "<rect xlink:href='x' xmlns:xlink='http://www.w3.org/1999/xlink'/>",
    ],
)  # fmt: skip
def test_what_runs_loads_or_links_is_no_drawing(inside: str) -> None:
    with pytest.raises(CareError, match="A drawing for a page has"):
        drawing(f"<svg xmlns='http://www.w3.org/2000/svg'>{inside}</svg>")


@pytest.mark.parametrize("words", [a for a in ATTACKS if "\x7f" not in a])
def test_names_of_an_edited_table_stay_words(words: str) -> None:
    links = read_behaviours().links
    renamed = Behaviours((replace(links[0], key=words, target=(words,)), *links[1:]))
    assert drawing(loop_diagram(renamed, JOURNEY))["tag"] == "svg"


def small_report(path: Path, **system: Any) -> Path:
    report = toy_report()
    one = report["figures"]["figure"][0]
    for name in ("figures", "residuals", "metrics"):
        report[name] = report[name].filter(figure=one)
    del report["tables"]["forecast_figures"]
    write_report_page(path, **report, system=toy_system(**system))
    return path


@pytest.mark.browser
@pytest.mark.slow  # the fast suite has axe look at the report without mechanisms
def test_no_finding_with_mechanisms(look: Looker, built: Path, tmp_path: Path) -> None:
    looked = look(small_report(tmp_path / "page.html"))
    page = looked.open()
    section = page.locator("section[aria-labelledby=system]")
    assert "most numbers are assumed" in section.inner_text()
    assert section.locator("figure svg[role=img]").count() == 3
    looked.axe("on opening")
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    looked.axe("all open")
    page.emulate_media(forced_colors="active")
    looked.axe("forced colours")
    page.emulate_media(forced_colors="none")
    # 400% zoom of a window of 1280 px.
    page.set_viewport_size({"width": 320, "height": 640})
    looked.axe("320 px")
    looked.fits("320 px, all open")
    page.emulate_media(media="print")
    assert section.locator(".diagram svg").is_visible()


@pytest.mark.browser
def test_the_diagram_is_drawn_with_its_own_colours_and_reached_by_keyboard(
    look: Looker, built: Path, tmp_path: Path
) -> None:
    page = look(small_report(tmp_path / "page.html")).open()
    page.get_by_role("link", name="How the system behaved").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "system"
    page.locator("summary", has_text="Show the causal loop diagram").focus()
    page.keyboard.press("Enter")
    diagram = page.get_by_role("region", name="Causal loop diagram")
    assert diagram.locator("svg").evaluate("one => one.namespaceURI") == "http://www.w3.org/2000/svg"
    plus = diagram.locator("text", has_text="+").first
    assert plus.evaluate("one => getComputedStyle(one).fontSize") == "15px"
    assert plus.evaluate("one => getComputedStyle(one).fill") == "rgb(18, 67, 109)"
    assert diagram.locator("path").count() == len(page.locator(".diagram path").all()) > 30
    name = diagram.locator("svg").evaluate(
        "one => document.getElementById(one.getAttribute('aria-labelledby').split(' ')[0]).textContent"
    )
    assert name.strip() == "Causal loop diagram: the system's own behaviours"


@pytest.mark.browser
def test_hostile_words_in_the_section_stay_words(look: Looker, built: Path, tmp_path: Path) -> None:
    page = look(small_report(tmp_path / "page.html", words=HOSTILE)).open()
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true }")
    assert HOSTILE in page.locator("section[aria-labelledby=system] .warning").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == page.locator("head script, body > script").count()


@pytest.mark.browser
def test_without_mechanisms_there_is_no_section(look: Looker, report_file: Path) -> None:
    page = look(report_file).open()
    assert page.locator("#system").count() == 0
    assert page.get_by_role("link", name="How the system behaved").count() == 0
