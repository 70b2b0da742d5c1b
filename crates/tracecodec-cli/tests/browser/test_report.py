"""The page of `tracecodec report` in a browser: what it shows and saves, and that it loads nothing
else."""

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from evaluation import evaluation, training
from playwright.sync_api import sync_playwright

LABELS = ["Oracle", "TraceCodec", "<script>window.injected = 1</script>"]
FIGURES = ["fig3-protocol-state", "fig4-transitions", "fig5-interleaving", "fig-e2-temporal"]
FIGURES = [f"by-hand-{key}" for key in FIGURES] + ["training-learning-curves"]
TRAININGS = ["codec", "other <b>codec"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    evaluations = [
        evaluation(LABELS[0]),
        evaluation(LABELS[1], packets=190, retransmissions=38),
        evaluation(LABELS[2], packets=100, sessions=40),
    ]
    names = []
    for index, one in enumerate(evaluations):
        names.append(f"{index}.json")
        (folder / names[-1]).write_text(json.dumps(one))
    for name, validations in zip(TRAININGS, [20, 1]):
        (folder / name).mkdir()
        for file, text in training(validations).items():
            (folder / name / file).write_text(text)
    line = [os.environ["TRACECODEC"], "report", *names, "--training", *TRAININGS, "-o", "page.html", "--svg", "svg"]
    subprocess.run(line, cwd=folder, check=True)
    line = [os.environ["TRACECODEC"], "report", "--training", *TRAININGS, "-o", "training.html"]
    subprocess.run(line, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture
def open_page(browser, folder):
    """Opens the page, and after the test checks that it raised no error and loaded nothing."""
    contexts, wrong, asked, opened = [], [], [], []

    def open_page(name="page.html", **options):
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / name).as_uri())
        opened.append((folder / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
    others = [url for url in asked if not url.startswith(("blob:", "data:"))]
    assert others == opened


def panel(page, title):
    """A panel of the page, and its SVG in a view of its own."""
    panel = page.locator(f'.panel:has(svg > title:text-is("{title}"))').first
    panel.scroll_into_view_if_needed()
    return panel


def tip(page):
    tip = page.locator("#tip")
    assert tip.is_visible()
    return tip.inner_text()


def test_every_figure_is_there_with_words(open_page):
    page = open_page()
    assert [figure.get_attribute("id") for figure in page.locator("figure").all()] == FIGURES
    drawings = page.locator(".panel svg").all()
    assert len(drawings) == 5 + 4 + 5 + 8 + 4
    for drawing in drawings:
        box = drawing.bounding_box()
        assert box["width"] > 200 and box["height"] > 100
        title, words = drawing.evaluate(
            "svg => svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent)"
        )
        assert drawing.get_attribute("role") == "img" and title and len(words) > 10, title


def test_labels_are_text(open_page):
    page = open_page()
    assert page.evaluate("window.injected") is None
    assert LABELS[2] in page.locator("tbody th").all_inner_texts()


def test_pointing_tells_the_number_of_a_dot(open_page):
    page = open_page()
    dots = panel(page, "TCP event profile")
    # The second mark, whatever its shape, is TraceCodec's retransmissions: 38 of 190 packets.
    dots.locator("svg > polygon, svg > circle").nth(1).hover()
    assert tip(page) == "TraceCodec\nretrans.: 20 %"
    page.mouse.move(1, 1)
    assert page.locator("#tip").is_hidden()


def test_pointing_tells_the_number_of_a_cell(open_page):
    page = open_page()
    panel(page, "TraceCodec").get_by_text("75", exact=True).hover()
    assert tip(page) == "TraceCodec\nSYN → SYN-ACK: 75 % (3 of 4)"


def test_pointing_tells_the_number_of_a_bar(open_page):
    page = open_page()
    panel(page, "Packets materialised").get_by_text("190", exact=True).hover()
    assert tip(page) == "TraceCodec\nPackets materialised: 190"


def test_pointing_tells_the_number_of_a_curve(open_page):
    page = open_page()
    curve = panel(page, "Packets per flow").locator("svg > polyline").first
    box = curve.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 1)
    # One of the ten sessions has 191 packets.
    assert tip(page).endswith("191: 10 %")


def test_keys_tell_the_numbers_of_a_learning_curve(open_page):
    page = open_page()
    panel(page, "Packets not whole").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    # 100 steps of 256 packets, after which half of the packets come back.
    assert tip(page) == "codec\n25,600 packets: 50 %"
    page.keyboard.press("ArrowDown")
    assert tip(page) == f"{TRAININGS[1]}\n25,600 packets: 50 %"


def test_trainings_alone_are_a_page(open_page):
    page = open_page("training.html")
    assert page.title() == "TraceCodec: Training"
    assert page.locator("figure").count() == 1
    assert page.locator(".panel svg").count() == 4
    table = page.get_by_role("region", name="Trained codecs")
    assert table.locator("tbody th").all_inner_texts() == TRAININGS
    assert table.locator("tbody tr").first.locator("td").nth(1).inner_text() == "512,000"


def test_touch_tells_the_number(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    panel(page, "Packets materialised").get_by_text("190", exact=True).tap()
    assert tip(page) == "TraceCodec\nPackets materialised: 190"


def test_keys_walk_through_the_numbers(open_page):
    page = open_page()
    panel(page, "TCP control events").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert tip(page) == "Reference\nSYN: 2 %"
    page.keyboard.press("ArrowRight")
    assert tip(page) == "Reference\nSYN-ACK: 1.5 %"
    page.keyboard.press("ArrowDown")
    assert tip(page) == "Oracle\nSYN-ACK: 1.5 %"
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


@pytest.mark.parametrize("number", range(len(FIGURES)))
def test_saved_figure_is_the_one_that_the_program_writes(open_page, folder, number):
    page = open_page(color_scheme="dark")
    figure = page.locator("figure").nth(number)
    figure.locator(".panel").first.hover()
    with page.expect_download() as download:
        figure.get_by_role("button", name="Save SVG").click()
    assert download.value.suggested_filename == f"{FIGURES[number]}.svg"
    saved = ElementTree.parse(download.value.path()).getroot()
    written = ElementTree.parse(folder / "svg" / download.value.suggested_filename).getroot()
    assert saved.tag == "{http://www.w3.org/2000/svg}svg"
    shape = lambda root: [(e.tag, e.get("d"), e.get("points"), e.get("x"), e.get("fill"), e.text) for e in root.iter()]
    assert shape(saved)[1:] == shape(written)[1:]


def paper(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def text_of_drawing(page):
    return page.locator(".panel svg text").first.evaluate("text => getComputedStyle(text).fill")


@pytest.mark.parametrize("system, other", [("light", "dark"), ("dark", "light")])
def test_button_changes_colours(open_page, system, other):
    page = open_page(color_scheme=system)
    before = paper(page), text_of_drawing(page)
    page.get_by_role("button", name=f"Change to {other} colours").click()
    after = paper(page), text_of_drawing(page)
    light, dark = (before, after) if system == "light" else (after, before)
    assert light == ("rgb(255, 255, 255)", "rgb(27, 31, 36)")
    assert dark == ("rgb(21, 25, 31)", "rgb(230, 233, 237)")


def test_phone_scrolls_no_sideways(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, is_mobile=True)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.body.scrollWidth") <= 390


def test_phone_shows_drawings_that_can_be_read(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, is_mobile=True)
    size = "svg => 11 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    assert min(page.evaluate(f"[...document.querySelectorAll('.panel svg')].map({size})")) >= 9.5
    boxes = "[...document.querySelectorAll('.scroll, .panels')]"
    assert page.evaluate(f"{boxes}.every(box => getComputedStyle(box).overflowX === 'auto')")


@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_break(open_page, folder, width):
    (folder / "long.json").write_text(json.dumps(evaluation("m" * 200, "d" * 400)))
    line = [os.environ["TRACECODEC"], "report", "long.json", "-o", "long.html", "--svg", "long"]
    subprocess.run(line, cwd=folder, check=True)
    page = open_page("long.html", viewport={"width": width, "height": 844})
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.evaluate("[...document.querySelectorAll('table')].map(table => table.offsetWidth)")
    assert max(widths) <= max(width, 640)


def test_columns_stand_as_their_cells_do(open_page):
    page = open_page()
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    for table in page.locator("table").all():
        aligned = table.evaluate(
            "table => [table.tHead.rows[0], table.tBodies[0].rows[0]].map(row => [...row.cells].map(cell => getComputedStyle(cell).textAlign))"
        )
        assert aligned[0] == aligned[1]


def test_print_is_light_and_has_the_figures(open_page):
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print")
    assert text_of_drawing(page) == "rgb(27, 31, 36)"
    assert page.locator(".save").first.is_hidden()
    assert all(drawing.is_visible() for drawing in page.locator(".panel svg").all())
    assert len(page.pdf()) > 10_000


def test_a_number_of_an_experiment_shows_where_it_comes_from(open_page, folder):
    capture = Path(__file__).resolve().parents[4] / "data/train/enterprise.pcap.zst"
    line = [os.environ["TRACECODEC"], "experiment", "--capture", f"day={capture}", "-o", "day"]
    line += ["--set", "shard.first=5000", "--set", "shard.packets=500", "--only", "oracle/evaluate"]
    subprocess.run(line, cwd=folder, check=True)
    page = open_page("day/report.html", viewport={"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    dialog = page.locator("dialog")
    assert not dialog.is_visible()
    page.locator("button.from", has_text="0.00").first.click()
    text = dialog.inner_text()
    for step in ["0 is metrics.tcp_event_pp of day/oracle/evaluate", "day/shard: shard, key ", "capture:day: BLAKE3 "]:
        assert step in text
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()
