"""The book: built without a warning, its links and pictures there, nothing asked of another host, legible to all."""

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from ldm_teach.cli.book import DOCS, SOURCE, book, document, repository, symbols
from ldm_teach.cli.main import COMMANDS
from tests.interactive.browser import CHROMIUM, FLAGS

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
FEW = ("00_start_here", "13_words_to_colour_pictures", "glossary", "search")
SLIDERS = re.compile(r"^(?:\w+ = )?(?:SliderFigure|(?:guidance|text|prompt|map|blur)_panel)\(", re.M)
MATHJAX = "() => !window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)"
WIDEST = "Math.max(0, ...[...document.querySelectorAll('mjx-container[display]')].map(box => box.scrollWidth))"
SERIOUS = ("serious", "critical")  # of axe-core's four degrees the two worst
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium browser")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A book, built once, or that in the folder LDM_TEACH_BOOK."""
    if "LDM_TEACH_BOOK" in os.environ:
        return Path(os.environ["LDM_TEACH_BOOK"])
    out = tmp_path_factory.mktemp("book") / "out"
    command = [sys.executable, "-m", "ldm_teach", "book", str(out)]
    env = os.environ | {"LDM_TEACH_REPOSITORY": "https://github.com/somebody/ldm_teach.git"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr  # a warning is an error
    return out


class Page(HTMLParser):
    """The ids, the links and the pictures of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.pictures = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        if tag == "img":
            self.pictures.append(attrs)


def pages(built: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(built.rglob("*.html")) if "_static" not in path.parts}


def test_every_link_leads_to_a_page_and_a_place_that_are_there(built):
    found = pages(built)
    for path, page in found.items():
        for link in page.links:
            address = urllib.parse.urlsplit(link)
            if address.scheme or link in ("#", ""):
                continue
            target = (path.parent / urllib.parse.unquote(address.path)).resolve() if address.path else path
            assert target.is_file(), (path.name, link)
            if address.fragment and target in found:
                assert urllib.parse.unquote(address.fragment) in found[target].ids, (path.name, link)


def test_every_picture_is_there_and_has_alternative_text(built):
    for path, page in pages(built).items():
        for picture in page.pictures:
            assert (path.parent / picture["src"]).is_file(), (path.name, picture["src"])
            assert picture.get("alt") or "logo" in picture.get("class", ""), (path.name, picture["src"])


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_every_output_picture_of_its_notebook_and_a_film_of_every_slider(built, name):
    notebook = jupytext.read(ROOT / "notebooks" / f"{name}.ipynb")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    alts = [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]
    page = Page(built / f"{name}.html")
    shown = [p for p in page.pictures if "notebooks/" in p["src"]]
    assert [p["alt"] for p in shown] == alts
    films = sorted(path.name for path in (DOCS / "films").glob(f"{name[:2]}-*.webp"))
    assert sorted(p["src"].rpartition("/")[2] for p in page.pictures if "films/" in p["src"]) == films
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert len(films) == len(SLIDERS.findall(text))


def test_every_command_and_every_floor_has_its_page(built):
    said = (built / "reference" / "commands.html").read_text()
    assert all(f'id="{name}"' in said for group in COMMANDS.values() for name in group)
    theory = Page(built / "reference" / "theory.html")
    assert {"ldm_teach.theory.guidance.guide", "ldm_teach.theory.samplers.ddim"} <= theory.ids


def test_a_line_never_begins_with_the_punctuation_of_a_formula_nor_ends_with_its_bracket(built):
    """A browser may break a line on both sides of a formula, but not inside the span that holds both."""
    pages = "".join((built / f"{name}.html").read_text() for name in NAMES)
    text = "".join(re.findall(r"<article.*?</article>", pages, re.DOTALL))  # not the contents beside it
    together = r'<span class="together">[^<]*<span class="math[^>]*>[^<]*</span>[^<]*</span>'
    words, count = re.subn(together, "FORMULA", text)
    assert count > 1000 and '<span class="math' not in words
    assert not re.search(r"FORMULA[.,;:!?)\]]|[(\[]FORMULA", words)


def test_the_symbols_are_those_of_notebook_00():
    assert symbols().count("\n| $") >= 11


def test_a_term_of_the_glossary_stands_in_the_notebook_that_it_names():
    text = (SOURCE / "glossary.md").read_text()
    terms = re.findall(r"^(\S.*)\n((?:  .*\n)+)", text.partition(":sorted:")[2], re.M)
    assert len(terms) > 50
    for term, meaning in terms:
        name = re.findall(r"\]\((\d\d_\w+)\.ipynb\)", meaning)[-1]
        text = (ROOT / "course" / f"{name}.md").read_text().casefold()
        words = re.sub(r"[^\w-]", " ", term.casefold()).split()
        assert all(re.search(rf"\b{re.escape(word[:6])}", text) for word in words), (term, name)


def test_links_to_what_the_book_does_not_hold_become_words():
    text = "![a](slider.gif) [b](../notebooks/00_start_here.ipynb) [c](../LICENSE) [d](results.md) [e](https://x.org)"
    want = "![a](pictures/slider.gif) [b](00_start_here.ipynb) c (`../LICENSE`) [d](results.md) [e](https://x.org)"
    assert document(text) == want


def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / ".buildinfo").write_text("of another book by Sphinx")
    with pytest.raises(ValueError, match="which holds something else; want a new folder"):
        book(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


@pytest.fixture
def site(built):
    """The address of the book, served on loopback."""
    handler = functools.partial(QuietHandler, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def look_at(site: str, names, schemes=("light", "dark")) -> None:
    """Open pages: no request leaves the site, no formula fails, nothing is wide, axe-core finds no serious fault."""
    hosts, said, faults = set(), [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in schemes:
            page = browser.new_page(viewport=dict(width=1200, height=900), color_scheme=scheme)
            page.on("request", lambda request: hosts.add(urllib.parse.urlsplit(request.url).netloc))
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("response", lambda response: said.append(response.url) if response.status >= 400 else None)
            for name in names:
                page.goto(f"{site}/{name}.html")
                page.wait_for_function(MATHJAX)
                assert not page.locator("mjx-merror").count(), name
                found = Axe().run(page, options=dict(preload=False)).response["violations"]
                faults += [(name, scheme, v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in SERIOUS]
                assert not sideways(page), name
                assert page.evaluate(WIDEST) <= 690, name  # the text has 688; what is wider has to be scrolled
        browser.close()
    assert hosts - {""} == {urllib.parse.urlsplit(site).netloc} and not said and not faults, (hosts, said, faults)


def sideways(page) -> bool:
    """Does the page scroll from side to side?"""
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")


@in_a_browser
def test_pages_ask_nobody_and_are_legible_to_all(site):
    look_at(site, FEW)


@pytest.mark.long
@pytest.mark.timeout(1800)
@in_a_browser
def test_all_pages_ask_nobody_and_are_legible_to_all(site, built):
    look_at(site, [str(path.relative_to(built).with_suffix("")) for path in pages(built)])


@in_a_browser
def test_the_search_finds_a_law_and_a_telephone_shows_pages_whole(site):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=dict(width=390, height=800))
        page.goto(f"{site}/search.html?q=Metropolis")
        expect(page.locator("#search-results li a").first).to_be_visible(timeout=30_000)
        assert "03 Langevin dynamics" in page.locator("#search-results").inner_text()
        for name in (*FEW, "reference/theory"):
            page.goto(f"{site}/{name}.html")
            page.wait_for_function(MATHJAX)
            assert not sideways(page), name
        browser.close()


def test_without_sphinx_it_says_what_brings_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sphinx.application", None)
    with pytest.raises(ValueError, match=r"built with sphinx.application, which is .* requirements-book.txt"):
        book(tmp_path / "out")


def test_what_is_no_address_on_github_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("LDM_TEACH_REPOSITORY", "https://gitlab.com/somebody/ldm_teach")
    with pytest.raises(ValueError, match="LDM_TEACH_REPOSITORY is .*; want https://github.com/OWNER/NAME"):
        repository()
    monkeypatch.setenv("LDM_TEACH_REPOSITORY", "https://github.com/somebody/ldm_teach.git")
    assert repository() == "https://github.com/somebody/ldm_teach"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_a_published_book_opens_its_notebook_online(built, name):
    links = Page(built / f"{name}.html").links
    assert f"https://colab.research.google.com/github/somebody/ldm_teach/blob/online/{name}.ipynb" in links
    assert f"https://mybinder.org/v2/gh/somebody/ldm_teach/HEAD?urlpath=lab/tree/notebooks/{name}.ipynb" in links
