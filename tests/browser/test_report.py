"""The report in a real Chromium: drawn, silent on the network, usable by keyboard, in light, dark and on a phone."""

import csv
import dataclasses
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from support.factors import compared_study
from support.report_sample import finished_study, searching_study

from tuner.artifacts import ArtifactStore
from tuner.report.page import write_report

NASTY = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
#: Lines, bars and points, and the picture of a heatmap.
DRAWN = ".cartesianlayer .trace path, .cartesianlayer image"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    store = ArtifactStore(str(folder / "artifacts"))
    return write_report([finished_study(store, n_trials=60, n_images=2000)], store, folder / "report.html")


@pytest.fixture(scope="module")
def report_of_several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of one dataset, one of them tested, and two of another, with markup in many names."""
    folder = tmp_path_factory.mktemp("several")
    store = ArtifactStore(str(folder / "artifacts"))
    names = (NASTY, *"123456789")
    compared = compared_study({NASTY: {NASTY: [0.9, 0.91]}}, default={NASTY: "plain"}, default_scores=[0.8, 0.82])
    studies = [
        finished_study(store, name="first", n_trials=21, n_images=500, accuracy=0.9, class_names=names),
        searching_study(name="second", n_trials=10, class_names=names, seed=1),
        searching_study(name=f"searching {NASTY}", n_trials=10, dataset="kmnist"),
        dataclasses.replace(compared, name="compared", dataset="kmnist"),
    ]
    return write_report([dataclasses.replace(study, space=NASTY) for study in studies], store, folder / "report.html")


def open_quietly(context: BrowserContext, path: Path) -> tuple[Page, list[str]]:
    """Open a report; the list gathers all that a good page does not do."""
    page = context.new_page()
    noises: list[str] = []
    page.on("console", lambda message: noises.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: noises.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (noises.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:")) else noises.append(f"request: {request.url}")
        ),
    )
    page.goto(path.as_uri())
    return page, noises


def draw_all(page: Page) -> None:
    """Draw what has not been scrolled to, as printing and going back to the screen does."""
    page.evaluate("['beforeprint', 'afterprint'].forEach((name) => dispatchEvent(new Event(name)))")


def shapes_drawn(page: Page) -> list[int]:
    """Count the shapes of each plot."""
    count = f"plots => plots.map(plot => plot.querySelectorAll('{DRAWN}').length)"
    return [int(number) for number in page.locator(".plot").evaluate_all(count)]


def test_every_plot_is_drawn_when_it_is_scrolled_to_without_a_request_or_an_error(
    context: BrowserContext, report: Path
) -> None:
    page, noises = open_quietly(context, report)

    for frame in page.locator(".frame").all():
        frame.scroll_into_view_if_needed()
        expect(frame).to_have_attribute("data-drawn", "light")

    assert min(shapes_drawn(page)) > 0
    assert noises == []


def test_markup_in_names_is_drawn_as_text(context: BrowserContext, report_of_several: Path) -> None:
    page, noises = open_quietly(context, report_of_several)

    draw_all(page)

    assert min(shapes_drawn(page)) > 0
    assert noises == []
    assert page.locator("img[onerror]").count() == 0
    assert page.locator(".ytick text").filter(has_text="<img src=x").count() > 0


def test_tab_reaches_the_trials_table_and_enter_sorts_it_both_ways(context: BrowserContext, report: Path) -> None:
    page, _ = open_quietly(context, report)
    focused = "document.activeElement.closest('.trials th')?.textContent"

    for _ in range(300):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == "Validation score":
            break
    page.keyboard.press("Enter")
    ascending = scores_shown(page)
    page.keyboard.press("Enter")
    descending = scores_shown(page)

    assert ascending == sorted(ascending)
    assert descending == sorted(descending, reverse=True)
    assert page.locator(".trials [aria-sort=descending]").inner_text().startswith("Validation score")
    # Trials without a score stay at the end, whichever way it is sorted.
    assert page.locator(".trials tbody tr").last.locator("td").nth(1).inner_text() == "\u2013"


def scores_shown(page: Page) -> list[float]:
    cells = page.locator(".trials tbody tr td:nth-child(3)").all_inner_texts()
    return [float(cell.removesuffix("\u00a0%")) for cell in cells if cell != "\u2013"]


def test_figures_and_tables_are_downloaded_without_a_network(context: BrowserContext, report: Path) -> None:
    page, noises = open_quietly(context, report)

    def download(name: str) -> tuple[str, bytes]:
        with page.expect_download() as started:
            page.get_by_role("button", name=name, exact=True).click()
        return started.value.suggested_filename, started.value.path().read_bytes()

    name, drawing = download("Download Score by hyperparameter as SVG")
    assert name == "mnist-cnn-score-by-hyperparameter.svg"
    assert drawing.startswith(b"<svg")
    assert drawing.count(b"<svg") > 6
    assert page.evaluate("text => new DOMParser().parseFromString(text, 'image/svg+xml').documentElement.tagName",
                         drawing.decode()) == "svg"  # fmt: skip
    name, picture = download("Download Optimisation history as PNG")
    assert name.endswith(".png")
    with Image.open(io.BytesIO(picture)) as opened:
        # Not one colour alone: something is drawn.
        assert len(opened.convert("RGB").getcolors(1 << 24) or []) > 20
    name, table = download("Download Trials of mnist-cnn as CSV")
    rows = list(csv.reader(io.StringIO(table.decode())))
    assert name == "mnist-cnn-trials-of-mnist-cnn.csv"
    assert len(rows) == 1 + 60
    assert 0 < float(rows[1][rows[0].index("Validation score")]) < 1
    assert noises == []


def test_the_contents_stay_in_view_and_name_every_part(context: BrowserContext, report: Path) -> None:
    page, _ = open_quietly(context, report)
    page.emulate_media(reduced_motion="reduce")

    page.get_by_text("All parts").click()
    page.get_by_role("link", name="Calibration").first.click()

    expect(page.locator(".contents")).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Calibration").first).to_be_in_viewport()
    expect(page.locator(".contents [aria-current]")).to_have_text("Finals")
    expect(page.locator(".parts")).not_to_have_attribute("open", "")


def test_finals_and_their_trials_lead_to_each_other(context: BrowserContext, report: Path) -> None:
    page, _ = open_quietly(context, report)
    page.emulate_media(reduced_motion="reduce")
    table = page.get_by_role("region", name="Finals by rank")

    table.get_by_role("link").first.click()

    expect(page.locator(":target")).to_be_in_viewport()
    page.locator(":target").get_by_role("link", name="Final 1").click()
    expect(table).to_be_in_viewport()


def test_the_first_tab_offers_to_skip_to_the_answer_and_focus_is_seen(context: BrowserContext, report: Path) -> None:
    page, _ = open_quietly(context, report)

    page.keyboard.press("Tab")

    skip = page.locator(".skip")
    assert skip.evaluate("link => link === document.activeElement")
    expect(skip).to_be_in_viewport()
    assert skip.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_dark_and_light_follow_the_system_while_the_page_is_open(context: BrowserContext, report: Path) -> None:
    page, noises = open_quietly(context, report)
    tick = ".frame .xtick text"
    looks = {}

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".frame").first).to_have_attribute("data-drawn", scheme)
        looks[scheme] = page.evaluate(
            f"[getComputedStyle(document.body).backgroundColor, "
            f"getComputedStyle(document.querySelector('{tick}')).fill]"
        )

    assert looks["light"][0] != looks["dark"][0]
    assert looks["light"][1] != looks["dark"][1]
    assert noises == []


def test_a_phone_never_scrolls_sideways(browser: Browser, report_of_several: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page, noises = open_quietly(context, report_of_several)

    draw_all(page)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert noises == []
    context.close()


def test_paper_shows_every_plot_in_light_colours_and_as_wide_as_paper(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page, noises = open_quietly(context, report)
    expect(page.locator(".frame").first).to_have_attribute("data-drawn", "dark")
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printed = [...document.querySelectorAll('.frame')]"
        ".map((frame) => [frame.dataset.drawn, frame.querySelector('.main-svg').clientWidth]); })"
    )

    page.pdf(path=tmp_path / "report.pdf")

    colours, widths_px = zip(*page.evaluate("window.printed"), strict=True)
    assert set(colours) == {"light"}
    assert max(widths_px) <= 656
    expect(page.locator(".frame").first).to_have_attribute("data-drawn", "dark")
    assert noises == []
    context.close()


def test_without_scripts_the_answer_and_the_numbers_can_be_read(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())

    page.get_by_text("The numbers", exact=False).first.click()

    assert page.locator(".big strong").first.is_visible()
    assert page.locator("figure details table").first.is_visible()
    context.close()
