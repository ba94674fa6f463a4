"""The journeys page in a real browser: what a reader, a keyboard, a screen reader and a stranger's file meet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from abm.journey import JOURNEY
from experiments.report.journeys_page import write_journeys_page
from experiments.report.payload import PLACEHOLDER
from tests.report.attacks import ATTACKS
from tests.report.toy import toy_about, toy_legend, toy_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.report.conftest import Looker

pytestmark = pytest.mark.browser

HOSTILE = "".join(ATTACKS[:3]) + "\"'&lt;"


def choose(page: Page, pattern: str) -> None:
    page.locator(f"#pattern-{pattern}").check(force=True)


def first_child(page: Page) -> None:
    page.locator("ol.list a").first.click()
    page.wait_for_selector(".markers")


def tab_to(page: Page, selector: str, most: int = 120) -> None:
    """Press Tab until the focus is on the wanted thing; every stop on the way must be in sight."""
    for _ in range(most):
        page.keyboard.press("Tab")
        box = page.evaluate(
            "() => {const r = document.activeElement.getBoundingClientRect();"
            " return [r.bottom > 0 && r.top < innerHeight, document.activeElement.outerHTML.slice(0, 120)]}"
        )
        assert box[0], f"the focus is out of sight on {box[1]}"
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")


def a_child_with_sisters_or_brothers(run: dict[str, pl.DataFrame]) -> int:
    """A child who was looked after, came home and came back, and has a brother or sister in the page."""
    again = JOURNEY.transition_index["came_back_into_care"]
    sizes = run["children"].group_by("family").len()
    back = run["events"].filter(pl.col("transition") == again)["child"].unique().implode()
    found = run["children"].join(sizes, on="family").filter(pl.col("child").is_in(back) & (pl.col("len") > 1))
    return int(found.sort("child")["child"][0])


def test_no_finding_in_any_state(look: Looker, journeys_file: Path, run_400: dict[str, Any]) -> None:
    looked = look(journeys_file)
    page = looked.open()
    assert "Simulated, not a real child" in page.locator("header").inner_text()
    looked.axe("on opening")
    choose(page, "care_home_care")
    looked.axe("with results")
    choose(page, "own")
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("At least, times").first.fill("0")
    looked.axe("building a pattern, with an error")
    looked.open(f"#child={a_child_with_sisters_or_brothers(run_400)}")
    for k in range(min(3, page.get_by_role("button", name="Why did this happen?").count())):
        page.get_by_role("button", name="Why did this happen?").nth(k).click()
    looked.axe("a child, with reasons")
    page.get_by_label("Every event").check(force=True)
    page.get_by_label("Only around the events").check(force=True)
    page.get_by_text("Show the events as a table").click()
    looked.axe("every event, zoomed, with the table")
    page.emulate_media(forced_colors="active")
    looked.axe("forced colours")
    page.emulate_media(forced_colors="none", media="print")
    assert not page.locator(".find").is_visible()
    assert page.locator(".banner").is_visible()
    assert page.locator(".stamp").inner_text() == "Simulated, not a real child"


def test_the_whole_way_by_keyboard(look: Looker, journeys_file: Path, run_400: dict[str, Any]) -> None:
    looked = look(journeys_file)
    page = looked.open("#pattern=care_home_care")
    child = a_child_with_sisters_or_brothers(run_400)
    tab_to(page, ".govuk-skip-link")
    tab_to(page, "#pattern-care_home_care")
    page.keyboard.press("ArrowDown")
    assert "pattern=referred_three_times_never_a_plan" in page.url
    page.keyboard.press("ArrowUp")
    tab_to(page, "#order-typical")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "order-number"
    link = f"a[href*='child={child}']"
    while not page.locator(link).count():
        tab_to(page, "section.find > button.plain")
        page.keyboard.press("Enter")
        page.locator("#results").focus()
    tab_to(page, link)
    page.keyboard.press("Enter")
    # By what is there, not by code: the content policy of the page lets none be evaluated while it waits.
    page.locator("#life:focus").wait_for()
    assert page.locator("#life").inner_text() == f"Simulated child {child}"
    tab_to(page, "[id^=why-]")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    looked.open(f"#pattern=care_home_care&child={child}")
    page.locator("#life").focus()
    tab_to(page, ".timeline a")
    page.keyboard.press("Enter")
    page.locator("#life:focus").wait_for()
    other = page.locator("#life").inner_text()
    assert other != f"Simulated child {child}"
    page.go_back()
    page.locator("#life", has_text=re.compile(rf"^Simulated child {child}$")).wait_for()


def test_a_marker_on_the_time_line_opens_the_reason(look: Looker, journeys_file: Path) -> None:
    page = look(journeys_file).open("#pattern=care_home_care")
    first_child(page)
    page.locator(".marker").nth(1).click()
    assert page.evaluate("document.activeElement.id").startswith("why-")
    assert page.locator(".why").count() >= 1


def test_a_life_says_where_it_began_how_it_ended_and_how_the_family_matters(
    look: Looker, journeys_file: Path, run_400: dict[str, pl.DataFrame]
) -> None:
    children, events = run_400["children"], run_400["events"]
    looked_after = children.filter((pl.col("state") == JOURNEY.state_index["foster"]) & (pl.col("since_week") < -60))
    page = look(journeys_file).open(f"#child={looked_after['child'][0]}")
    first = page.locator("#life + p").inner_text()
    assert re.search(r"begins, (she|he) was looked after \(since \w+ \d{4}, when (she|he) was ", first)
    assert first.endswith("living with foster carers.")
    sizes = children.group_by("family").len().filter(pl.col("len") > 1)
    alone = pl.col("uasc")
    ended = events.filter(pl.col("transition") == JOURNEY.transition_index["found_not_in_need"])["child"].unique()
    found = children.join(sizes, on="family").filter(~alone & pl.col("child").is_in(ended.implode()))
    page = look(journeys_file).open(f"#child={found['child'].min()}")
    assert page.get_by_text("does not change the chances of brothers and sisters").count() == 1
    shown = page.locator(".sentence").all_inner_texts()
    assert any("the assessment found that" in line for line in shown)
    assert not [line for line in shown[:-1] if "began an assessment" in line]
    assert not [line for line in shown if ", aged " in line]
    once = events.group_by("child").len().filter(pl.col("len") == 1)["child"]
    page = look(journeys_file).open(f"#child={looked_after.filter(pl.col('child').is_in(once.implode()))['child'][0]}")
    assert page.get_by_text("One event.").count() == 1


def test_the_narrow_page_does_not_scroll_sideways(look: Looker, journeys_file: Path) -> None:
    looked = look(journeys_file, viewport={"width": 320, "height": 640})
    page = looked.open("#pattern=own&lines=s.protected*2<5,any_care")
    looked.fits("building")
    first_child(page)
    page.get_by_label("Every event").check(force=True)
    page.get_by_role("button", name="Why did this happen?").first.click()
    page.get_by_text("Show the events as a table").click()
    looked.fits("a child with everything open")
    looked.axe("320 px")


def test_everything_to_press_is_large_enough(look: Looker, journeys_file: Path) -> None:
    page = look(journeys_file).open("#pattern=own&lines=any_care")
    first_child(page)
    small = page.evaluate(
        "() => [...document.querySelectorAll('button, summary, select, a[href], input')]"
        ".map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()])"
        ".filter(([, r]) => r.width > 0 && (r.width < 24 || r.height < 24)).map(([html]) => html)"
    )
    assert [html for html in small if "skip-link" not in html] == []


def test_numbers_on_the_page_are_those_of_the_frames(
    look: Looker, journeys_file: Path, run_400: dict[str, pl.DataFrame]
) -> None:
    page = look(journeys_file).open("#pattern=adopted")
    adopted = run_400["events"].filter(pl.col("transition") == JOURNEY.transition_index["was_adopted"])
    n = adopted["child"].n_unique()
    told = re.match(r"(\d+) children match: ([\d.]+)% of all 400 ", page.get_by_role("status").inner_text())
    assert told
    assert (int(told[1]), float(told[2])) == (n, 100 * n / 400)
    child = int(adopted["child"].min())  # type: ignore[arg-type]
    page = look(journeys_file).open(f"#child={child}")
    page.get_by_label("Every event").check(force=True)
    page.get_by_text("Show the events as a table").click()
    log = run_400["events"].filter(pl.col("child") == child).sort("week", "step")
    rows = page.locator("details table tbody tr")
    assert rows.count() == log.height
    for k, (origin, chance, draw) in enumerate(log.select("origin", "chance", "draw").iter_rows()):
        values = rows.nth(k).locator("data").evaluate_all("all => all.map(one => Number(one.value))")
        assert values == ([chance, draw] if origin < 2 else [])
    k = log["origin"].to_list().index(0)
    moment = log.row(k, named=True)
    page.locator(f"#why-{k + 1}").click()
    shown = page.locator(f"#because-{k + 1} data").evaluate_all("all => all.map(one => Number(one.value))")
    mine = run_400["options"].filter((pl.col("child") == child) & (pl.col("week") == moment["week"]))
    open_then = mine.filter(pl.col("step") == moment["step"])["chance"].to_list()
    assert sorted(shown[:-1]) == sorted(open_then)
    assert shown[0] == moment["chance"]


def test_the_address_keeps_child_and_pattern_and_bears_nonsense(look: Looker, journeys_file: Path) -> None:
    looked = look(journeys_file)
    page = looked.open("#pattern=care_home_care")
    first_child(page)
    before = page.locator("#life").inner_text()
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.locator("#life").inner_text() == before
    assert page.locator("#pattern-care_home_care").is_checked()
    for nonsense in (
        "#child=99999999",
        "#child=%3Cscript%3E&pattern=__proto__",
        "#pattern=own&lines=%3Cb%3E*9",
        "#%%%",
    ):
        looked.page.goto("about:blank")
        looked.open(nonsense)
        assert page.locator("h1").is_visible()
    looked.requests = [url for url in looked.requests if url != "about:blank"]


def test_hostile_words_stay_words(look: Looker, built: Path, tmp_path: Path) -> None:
    legend = toy_legend()
    for k, entry in enumerate((*legend["states"], *legend["transitions"])):
        for name in ("label", "law", "sentence", "colour"):
            if name in entry:
                entry[name] = ATTACKS[k % len(ATTACKS)] if name != "colour" else 'red" onload="alert(3)'
        if entry.get("told_from"):
            entry["told_from"] = dict.fromkeys(entry["told_from"], ATTACKS[k % len(ATTACKS)])
    path = tmp_path / "hostile.html"
    assert len(ATTACKS) >= 50
    about = toy_about(area=HOSTILE, digest=HOSTILE, version=HOSTILE, assumed=[*ATTACKS, PLACEHOLDER])
    write_journeys_page(path, legend=legend, about=about, **toy_run(60))
    looked = look(path)
    page = looked.open("#pattern=own&lines=any_help")
    assert HOSTILE in page.locator("h1").inner_text()
    first_child(page)
    page.get_by_label("Every event").check(force=True)
    for button in page.get_by_role("button", name="Why did this happen?").all():
        button.click()
    shown = page.locator("section.about li").evaluate_all("all => all.map(one => one.textContent)")
    assert shown == about["assumed"]
    made = "img, iframe, object, embed, form, base, link, video, math, textarea, template, slot, use, body title"
    assert page.locator(made).count() == 0
    assert page.evaluate("[document.scripts.length, document.querySelectorAll('style, meta').length]") == [1, 7]
    attributes = page.evaluate("[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())")
    assert [name for name in attributes if name.startswith("on")] == []
    looked.fits("hostile words")


def test_a_damaged_page_says_so(look: Looker, journeys_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.html"
    text = journeys_file.read_text(encoding="utf-8")
    middle = text.index('id="data">') + 5000
    path.write_text(text[:middle] + text[middle + 400 :], encoding="utf-8")
    looked = look(path)
    looked.page.goto(path.as_uri())
    looked.page.wait_for_selector("[role=alert]")
    assert "damaged" in looked.page.get_by_role("alert").inner_text()
    looked.axe("a damaged page")


@pytest.mark.slow
def test_twelve_thousand_children_are_ready_within_two_seconds(look: Looker, built: Path, tmp_path: Path) -> None:
    run = toy_run(12_000, pace=1.5)
    path = tmp_path / "large.html"
    write_journeys_page(path, legend=toy_legend(), about=toy_about(), **run)
    assert path.stat().st_size < 6_000_000
    page = look(path).open()
    assert int(page.evaluate("document.documentElement.dataset.ready")) < 2000
