"""The whole course in a real JupyterLab: each notebook run by its menu, each slider moved, each line typed in."""

import importlib.util
import json
import random
import re
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.interactive.browser import (
    LOOP,
    PANEL,
    TRAINING,
    Lab,
    drag,
    handle,
    needs_chromium,
    playground_page,
    run,
    run_all,
    screenshot,
)

pytestmark = needs_chromium
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
MOVED, RESTARTED = ("00", "03", "09", "11", "13", "15"), ("03", "09", "13")  # of these all that moves is moved
TYPED = {  # in the line of this name
    "caption": "a large green triangle",
    "prompt": "twemoji: red heart",
    "negative": "Bag",
    "to": "Bag",
    "settings": '{"model": "fashion-class", "condition": "Bag", "seed": 7}',
}
WITHOUT_A_PICTURE = {"rows", "columns"}  # of the rectangle of a mask, which its buttons mark
CHOICES = (  # of the playground, which show more sliders, and words of its line that say that they are drawn
    (dict(task="sample", film="none", sampler="dpm_solver"), ()),
    (dict(task="edit", film="none", sampler="dpm_solver"), ("edit",)),
    (dict(task="inpaint", film="none", sampler="ddpm"), ("inpaint", "ddpm")),
    (dict(task="sample", film="walk", sampler="dpm_solver"), ("walk", "to_seed")),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab in its light theme, with a copy of the course."""
    lab = Lab(tmp_path_factory.mktemp("course"))
    shutil.copytree(NOTEBOOKS, lab.folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    yield lab
    lab.end()


def restart_and_run_all(page: Page) -> None:
    """Run > Restart Kernel and Run All Cells..., and yes."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Restart Kernel and Run All Cells…", exact=True).click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()


def code_cells(path: Path) -> list[dict]:
    """The code cells of a notebook's file; none while it is being written."""
    try:
        cells = json.loads(path.read_text())["cells"]
    except ValueError:
        return []
    return [cell for cell in cells if cell["cell_type"] == "code"]


def has_ended(cell: dict, since: str) -> bool:
    """Has a cell that was started after `since` ended? Its file says so, by the kernel's clock."""
    return cell["metadata"].get("execution", {}).get("shell.execute_reply", "") > since


def run_to_the_end(lab: Lab, page: Page, path: Path, start: Callable[[Page], None]) -> None:
    """Start all cells, wait for the last one, and see in the file that each ran, in order and without an error.

    In the file, for a page need not have what is not in sight.
    """
    since, cells = datetime.now(UTC).isoformat(), []
    start(page)
    for _ in range(600):
        page.wait_for_timeout(1000)
        if json.loads(lab.ask("api/kernels"))[0]["execution_state"] == "idle":
            page.keyboard.press("Control+s")
            cells = code_cells(path)
            if cells and all(has_ended(cell, since) for cell in cells):
                break
    assert cells and not [cell["source"] for cell in cells if not has_ended(cell, since)]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]


class Look(NamedTuple):
    """What a panel shows: its captions, and a number for the pixels of each picture."""

    said: str
    drawn: tuple[int, ...]

    def settled(self) -> bool:
        """Is this the whole picture? A figure has no caption, and is never drawn in part."""
        return "full quality" in self.said or not self.said


LOOK = """async panel => {
    const shown = tag => [...panel.querySelectorAll(tag)].filter(one => one.offsetParent);
    const drawn = [];
    for (const image of shown('img')) {
        await image.decode();
        const ink = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d');
        ink.drawImage(image, 0, 0);
        const {data} = ink.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
        drawn.push(new Uint32Array(data.buffer).reduce((sum, one) => (Math.imul(sum, 31) + one) | 0, 0));
    }
    return [shown('.widget-html').map(one => one.innerText).join(' ').trim(), drawn];
}"""


def look(panel: Locator) -> Look | None:
    """What a panel shows, or None while a picture is being exchanged."""
    found = panel.evaluate(f"panel => ({LOOK})(panel).catch(() => null)")
    return found and Look(found[0], tuple(found[1]))


def look_until(panel: Locator, wanted: Callable[[Look], bool], what: str) -> Look:
    """The whole picture as it is wanted, and stays."""
    last = None
    for _ in range(400):
        now = look(panel)
        if now is not None and now == last and now.settled() and wanted(now):
            return now
        last = now
        panel.page.wait_for_timeout(300)
    raise AssertionError(f"{what}; it shows {last}")


def name_of(widget: Locator) -> str:
    return widget.locator(".widget-label").first.inner_text()


def bring_into_sight(knob: Locator) -> None:
    """Scroll there, until nothing moves any more: what comes into sight takes its size only then."""
    before = None
    for _ in range(50):
        knob.scroll_into_view_if_needed()
        now = knob.bounding_box()
        if now == before:
            return
        before = now
        knob.page.wait_for_timeout(200)
    raise AssertionError("the page does not come to rest")


def pull(slider: Locator, knob: Locator) -> str:
    """Drag a knob by three tenths of its slider, to where there is room; return the key that leads back."""
    low, now, high = (float(knob.get_attribute(f"aria-value{name}")) for name in ("min", "now", "max"))
    right = high - now >= now - low
    width = slider.locator(".noUi-target").bounding_box()["width"]
    drag(slider.page, 0.3 * width if right else -0.3 * width, knob)
    return "ArrowLeft" if right else "ArrowRight"


def put_back(slider: Locator, knob: Locator, key: str, value: str) -> None:
    """By the key that leads there, or in one go where the way is long: in words, where a slider has two knobs."""
    readout = slider.locator(".widget-readout")
    if slider.locator(".noUi-handle").count() == 2:
        readout.fill(value)
        readout.press("Enter")
    knob.focus()
    for _ in range(100):
        if readout.inner_text() == value:
            return
        slider.page.keyboard.press(key)
    raise AssertionError(f"{name_of(slider)} is {readout.inner_text()}, not {value} again")


def move_and_put_back(panel: Locator, slider: Locator) -> None:
    """Each knob of a slider changes the picture; back where it was, the picture is the old one."""
    before = look_until(panel, lambda now: True, f"no picture before {name_of(slider)} moves")
    for knob in slider.locator(".noUi-handle").all():
        bring_into_sight(knob)
        value = slider.locator(".widget-readout").inner_text()
        key = pull(slider, knob)
        what = f"{name_of(slider)}, {value} to {slider.locator('.widget-readout').inner_text()}"
        look_until(panel, lambda now: now.drawn != before.drawn, f"{what}: still {before}")
        put_back(slider, knob, key, value)
        look_until(panel, lambda now: now == before, f"{what} and back: the picture is not {before}")


def type_and_put_back(panel: Locator, line: Locator) -> None:
    """Other words change the picture; the old ones bring the old picture back."""
    before = look_until(panel, lambda now: True, f"no picture before {name_of(line)} is typed")
    box, words = line.locator("input"), TYPED[name_of(line)]
    value = box.input_value()
    box.fill("")
    box.press_sequentially(words)
    box.press("Enter")
    look_until(panel, lambda now: now.drawn != before.drawn, f"{name_of(line)}, {words}: still {before}")
    box.fill(value)
    box.press("Enter")
    look_until(panel, lambda now: now == before, f"{words}, then {value} again: the picture is not {before}")


def try_all_that_moves(panel: Locator, seen: Sequence[str] = ()) -> set[str]:
    """Move each slider and type in each line that is in sight, but those that are known; return their names."""
    there = panel.locator(".widget-slider:visible, .widget-text:visible")
    names = {name_of(widget) for widget in there.all()} - {*seen} - WITHOUT_A_PICTURE
    for name in sorted(names):
        widget = there.filter(has=panel.page.locator(f".widget-label:text-is('{name}')"))
        slider = widget.locator(".noUi-handle").count()
        (move_and_put_back if slider else type_and_put_back)(panel, widget)
    return names


def try_the_choices(panel: Locator) -> set[str]:
    """Of the playground, all sliders and lines that each of the CHOICES brings."""
    seen: set[str] = set()
    for choice, words in CHOICES:
        for name, value in choice.items():
            panel.get_by_label(name, exact=True).select_option(value)
        if choice["film"] == "walk":  # else it stands still, for settings without a walk have none
            panel.locator(".widget-checkbox", has_text="to another noise").locator("input").check()
        for word in words:
            expect(panel.get_by_label("settings")).to_have_value(re.compile(f'"{word}"'), timeout=60_000)
        seen |= try_all_that_moves(panel, sorted(seen))
        screenshot(panel.page, f"playground_{'_'.join(words) or 'sample'}")
    assert seen >= {"w", "guided at t", "steps", "image", "strength", "resampling", "frame", "frames", "to", "settings"}
    return seen


def panels(page: Page) -> list[Locator]:
    return page.locator(".ldm-alive", has=page.locator(".widget-slider")).all()


def show_the_end(page: Page, name: str) -> None:
    """Keep what the page shows of a notebook's end, which moves while what comes into sight takes its size."""
    for _ in range(3):
        page.locator(".jp-Notebook .jp-Cell").last.evaluate("cell => cell.scrollIntoView(false)")
        page.wait_for_timeout(300)
    screenshot(page, f"{name}_end")


@pytest.mark.slow
def test_the_shortest_notebook_runs_from_its_menu(lab, page):
    seconds = json.loads((NOTEBOOKS.parent / "course" / "seconds.json").read_text())
    walk_through(lab, page, min(seconds, key=seconds.get))


@pytest.mark.parametrize("name", NAMES, ids=NAMES)
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_notebook_runs_from_its_menu_and_all_that_moves_moves(lab, page, name):
    """Some are run by a restart, too, twice; in some each slider is moved and each line typed in, and put back."""
    walk_through(lab, page, name)
    for _ in range(2 if name[:2] in RESTARTED else 0):
        run_to_the_end(lab, page, lab.folder / "notebooks" / f"{name}.ipynb", restart_and_run_all)
    moved = panels(page) if name[:2] in MOVED else []
    assert moved or name[:2] not in MOVED
    for number, panel in enumerate(moved):
        bring_into_sight(panel)
        assert try_the_choices(panel) if name[:2] == "15" else try_all_that_moves(panel)
        screenshot(page, f"{name}_{number}")


def walk_through(lab: Lab, page: Page, name: str) -> None:
    """Open a notebook and run it to its end."""
    lab.open(page, f"notebooks/{name}.ipynb")
    run_to_the_end(lab, page, lab.folder / "notebooks" / f"{name}.ipynb", run_all)
    show_the_end(page, name)


def burst(page: Page, name: str, moves: int, chance: random.Random) -> None:
    """So many moves of a slider, one after the other: by a held mouse, or by keys."""
    knob = handle(page, name)
    if chance.random() < 0.5:
        knob.focus()
        for key in chance.choices(["ArrowLeft", "ArrowRight", "PageUp", "PageDown"], k=moves):
            page.keyboard.press(key)
        return
    box = knob.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for _ in range(moves):
        page.mouse.move(box["x"] + chance.uniform(-100, 100), box["y"] + 5)
    page.mouse.up()


def readout(panel: Locator, name: str) -> Locator:
    slider = panel.locator(".widget-hslider", has=panel.page.locator(f".widget-label:text-is('{name}')"))
    return slider.locator(".widget-readout")


def storm(lab: Lab, page: Page, moves: int) -> None:
    """So many moves in one panel end where those of a panel do that is set to the last values, once."""
    lab.notebook("storm.ipynb", PANEL, 'guidance_panel(LatentDiffusion.load("fashion-class"), FASHION_CLASSES)')
    lab.open(page, "storm.ipynb")
    run(page, 0)
    expect(page.get_by_text("full quality")).to_be_visible(timeout=120_000)
    chance, names = random.Random(0), ("guidance", "steps", "seed")
    for _ in range(moves // 10):
        burst(page, chance.choice(names), 10, chance)
    run(page, 1)
    expect(page.locator(".ldm-alive")).to_have_count(2, timeout=60_000)
    stormy, calm = panels(page)
    for name in names:
        readout(calm, name).fill(readout(stormy, name).inner_text())
        readout(calm, name).press("Enter")
    w, steps = (readout(stormy, name).inner_text() for name in ("guidance", "steps"))
    ends = f"w = {float(w):.1f} (s = {1 + float(w):.1f}), {steps} steps: full quality"
    found = [look_until(panel, lambda now: ends in now.said, f"not at {ends}") for panel in (stormy, calm)]
    assert found[0] == found[1]


@pytest.mark.slow
def test_sixty_moves_end_on_the_last_value(lab, page):
    storm(lab, page, 60)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_hundred_moves_end_on_the_last_value(lab, page):
    storm(lab, page, 500)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_slider_answers_beside_a_training_and_after_it_was_stopped(lab, page):
    lab.notebook("beside.ipynb", PANEL, TRAINING, LOOP.replace("200", "2000"), "print(len(losses), 'losses')")
    text = (lab.folder / "beside.ipynb").read_text().replace("num_steps=200", "num_steps=2000")
    (lab.folder / "beside.ipynb").write_text(text)
    lab.open(page, "beside.ipynb")
    run_all(page)
    expect(page.locator(".widget-html", has_text=re.compile(r"\d+/2000"))).to_be_visible(timeout=120_000)
    (panel,) = panels(page)
    slider = panel.locator(".widget-slider").first
    move_and_put_back(panel, slider)
    assert page.locator(".jp-InputPrompt").nth(2).inner_text().strip() == "[*]:"  # at work all the while
    page.get_by_title("Interrupt the kernel").click()
    line = page.get_by_text("run the cell again to go on")
    expect(line).to_be_visible(timeout=30_000)
    done = int(line.inner_text().split("step ")[1].split(";")[0])
    expect(page.get_by_text(f"{done} losses")).to_be_visible(timeout=30_000)
    assert 0 < done < 2000 and page.get_by_text("KeyboardInterrupt").count() == 0
    move_and_put_back(panel, slider)


@pytest.mark.skipif(importlib.util.find_spec("voila") is None, reason="needs Voila")
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_that_moves_on_the_page_of_its_own_moves(tmp_path):
    with playground_page(tmp_path, "light") as page:
        panel = page.locator(".ldm-alive")
        expect(page.get_by_text("full quality")).to_be_visible(timeout=120_000)
        try_the_choices(panel)
