"""The viewer of the report in a real browser: flicked through by keys, touch and mouse."""

import io

import numpy as np
import pytest
from browser import FOUND, opened
from PIL import Image as Picture
from test_report_page import model, restored  # noqa: F401

from ladderscope.report import Report, write_report

pytestmark = pytest.mark.skipif(
    FOUND is None, reason="no Chromium found: install one, such as Debian's package chromium"
)
RNG = np.random.default_rng(1)
KINDS = ["noisy", "restored", "samples", "sample", "sample", "sample", "error"]
ON = "[...document.querySelectorAll('.viewer')][0].querySelectorAll('.on')"
BOX = "(one => { const b = one.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })"
CONTRAST = """(selector => {
    const one = document.querySelector(selector), style = getComputedStyle(one);
    let back = one;
    while (getComputedStyle(back).backgroundColor.endsWith(', 0)')) back = back.parentElement;
    const light = (text) => text.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);
    const pair = [light(style.color), light(getComputedStyle(back).backgroundColor)].sort();
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
})"""


@pytest.fixture(scope="module")
def browser(model, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("page")
    draws = RNG.normal(30, 5, (5, 2, 128, 128)).astype(np.float32)
    long = "a_recording_with_a_long_name_" * 4 + ".tif"
    images = tuple(restored(name, model, shown=True, draws=draws) for name in ("a.tif", long))
    report = Report("Denoised", "Done.", model, images, notices=("word " * 60,))
    write_report(folder / "report.html", report)
    with opened((folder / "report.html").as_uri(), folder / "profile") as page:
        yield page


@pytest.fixture
def page(browser):
    browser("Emulation.setScriptExecutionDisabled", value=False)
    browser.prefer(color_scheme="light")
    browser.size(1200, 900)
    browser.open(browser.ask("location.href"))
    return browser


def shown(page):
    """Give the kind and the channel of the picture of the detail."""
    return page.ask(f"(one => [one.dataset.kind, one.dataset.channel])([...{ON}].at(-1))")


def box(page, element=f"[...{ON}].at(-1).querySelector('img')"):
    return page.ask(f"{BOX}({element})")


def kinds(page, count, key):
    found = []
    for _ in range(count):
        page.press(key)
        found.append(shown(page)[0])
    return found


def test_arrow_keys_flick_through_pictures_at_one_spot(page):
    page.press("Tab")
    assert page.ask("document.activeElement.className") == "viewer live"
    assert page.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert shown(page)[0] == "restored"
    before, spot = page.picture(), box(page)
    found = kinds(page, len(KINDS), "ArrowRight")
    assert [one.split()[0] for one in found] == KINDS[2:] + KINDS[:2]
    assert len(set(found)) == len(KINDS)
    page.press("ArrowLeft")
    assert shown(page)[0] == "noisy"
    assert box(page) == spot
    rows, columns = (slice(int(spot[at]), int(spot[at] + spot[at + 2])) for at in (1, 0))
    pixels = [np.asarray(Picture.open(io.BytesIO(one))) for one in (before, page.picture())]
    assert (pixels[0][rows, columns] != pixels[1][rows, columns]).mean() > 0.2


def test_numbers_choose_a_picture_and_the_other_arrows_a_channel(page):
    page.press("Tab")
    assert kinds(page, 1, "7") == ["error bar"] and kinds(page, 1, "1") == ["noisy"]
    assert kinds(page, 1, "8") == ["noisy"]  # there is none
    page.press("ArrowDown")
    assert shown(page) == ["noisy", "b"]
    pressed = page.ask(
        "[...document.querySelector('.viewer').querySelectorAll('[aria-pressed=true]')]"
        ".map(one => one.textContent)"
    )
    assert pressed == ["noisy", "b"]


def test_beside_a_sample_of_the_detail_the_whole_image_shows_the_restoration(page):
    page.press("Tab")
    page.press("4")
    said = page.ask(f"[...{ON}].map(one => one.dataset.kind)")
    assert said[0] == "restored" and said[1].startswith("sample ")


def test_a_button_is_clicked_and_a_swipe_or_tap_goes_on_and_back(page):
    x, y, width, height = box(page, "document.querySelector('.viewer button')")
    page.click(x + width / 2, y + height / 2)
    assert shown(page)[0] == "noisy"
    page.size(360, 740, touch=True)
    page.ask("document.querySelector('.viewer .detail').scrollIntoView()")
    assert page.ask("[...document.querySelectorAll('button')].every(one => one.offsetHeight > 43)")
    x, y, width, height = box(page)
    right, left, middle = x + 0.8 * width, x + 0.1 * width, y + height / 2
    page.touch(right, middle)
    assert shown(page)[0] == "restored"
    page.touch(left, middle)
    assert shown(page)[0] == "noisy"
    page.touch(right, middle, to=(left, middle + 10))
    assert shown(page)[0] == "restored"
    page.touch(left, middle, to=(right, middle))
    assert shown(page)[0] == "noisy"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(page, scheme):
    page.prefer(color_scheme=scheme)
    paper = np.asarray(Picture.open(io.BytesIO(page.picture())).convert("L"))[2, 2]
    assert (paper < 60) == (scheme == "dark")
    for selector in ("body", "h2", ".quiet", "figcaption", "button", "button[aria-pressed=true]"):
        assert page.ask(f"{CONTRAST}({selector!r})") >= 4.5, selector  # WCAG 2, level AA


@pytest.mark.parametrize("scripts", [True, False])
def test_a_phone_need_not_scroll_sideways(page, scripts):
    page("Emulation.setScriptExecutionDisabled", value=not scripts)
    page.size(360, 740, touch=True)
    page.open(page.ask("location.href"))
    assert page.ask("document.documentElement.scrollWidth") <= 360
    assert page.ask("[...document.images].every(one => one.getBoundingClientRect().right <= 360)")


def test_without_scripts_all_pictures_stand_in_their_order(page):
    page("Emulation.setScriptExecutionDisabled", value=True)
    page.open(page.ask("location.href"))
    assert page.ask("document.querySelectorAll('button, .live').length") == 0
    figures = "[...document.querySelector('.viewer .detail').children]"
    visible = page.ask(f"{figures}.every(one => one.checkVisibility() && one.offsetWidth > 100)")
    assert visible
    found = page.ask(f"{figures}.map(one => one.dataset.kind.split(' ')[0])")
    assert found == 2 * KINDS
    assert page.ask("[...document.images].every(one => one.alt.length > 10)")


def test_nothing_is_fetched(page):
    asked = [
        one["params"]["request"]["url"]
        for one in page.events
        if one.get("method") == "Network.requestWillBeSent"
    ]
    assert [one.partition(":")[0] for one in asked if not one.startswith("data:")] == ["file"]


def test_whoever_wants_less_motion_sees_a_still_picture(page):
    moving = "document.querySelector('[data-kind=samples] img').currentSrc"
    loop = page.ask(moving)
    page.prefer(reduced_motion="reduce")
    page.open(page.ask("location.href"))
    assert len(page.ask(moving)) < len(loop) / 3
