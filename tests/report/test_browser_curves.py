"""The page of survival curves in a browser: offline, nothing that axe finds, at 320 pixels, with forced colours."""

import pytest

from abm.journey import JOURNEY
from abm.simulate import simulate
from experiments.estimate_page import LONGEST, curves_page
from tests.abm.toys import busy_parameters, small_area

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pytest.importorskip("lifelines")
    from calibration.estimate_curves import curves
    from calibration.estimate_log import log_of_run
    from calibration.estimate_spells import CURVES

    run = simulate(small_area(1_200, 156), busy_parameters(), 9, JOURNEY)
    assert set(LONGEST) == {curve.key for curve in CURVES}
    path = tmp_path_factory.mktemp("curves") / "curves.html"
    path.write_text(
        curves_page(curves(log_of_run(run)), "Curves <of> a toy", "Simulated, not a real child.", ["A & B"])
    )
    return path


def test_the_page_of_curves_is_usable(file, look):
    looked = look(file)
    page = looked.page
    page.goto(file.as_uri())
    assert page.title() == "Curves <of> a toy"
    assert page.locator("svg").count() == page.locator("table").count() == 7
    assert "still there" in page.locator("svg text").all_text_contents()
    looked.axe("on opening")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
    page.set_viewport_size({"width": 320, "height": 700})
    looked.fits("320 px")
    looked.axe("320 px")
    page.emulate_media(forced_colors="active")
    looked.axe("forced colours")
