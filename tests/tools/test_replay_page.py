"""The page of `smtpguard replay --html`: whole in itself, nothing in it but text, and for everybody to read."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import count
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from smtpguard.tools.replay.page import page
from tests.archives.posts import NOW
from tests.notices.browser import as_screen, chromium, complaints
from tests.tools.replays import BOTH, FIRST, HOUR, mbox, of_list, replayed
from tests.tools.site import list_text, write_site

HOSTILE = ("<script>alert(1)</script>", "/td{{7*7}}\"'&\u202e")


class _Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two configurations, four lists, half a year, and a stranger who writes into whatever is shown."""
    tmp_path = tmp_path_factory.mktemp("report")
    site, other = write_site(tmp_path / "config"), write_site(tmp_path / "other")
    other.write_text(other.read_text() + "defaults: {on_alarm: observe}\n")
    (other.parent / "lists" / "press.yaml").write_text(list_text("press", "crosspost_with: [berlin]"))
    numbers = count()
    mails = [
        of_list(name, number := next(numbers), FIRST + number * 80 * HOUR, to=to)
        for _ in range(10)
        for name, to in (
            ("berlin", ""), ("berlin", BOTH), ("harbour", ""), ("harbour", "harbour@lists.example.org, " + BOTH),
            ("press", "press@lists.example.org, brandenburg@lists.example.org"),
        )
    ]  # fmt: skip
    mails += [mails[1].replace(b"<1@example.org>", f"<{each}@example.org>".encode()) for each in HOSTILE]
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    folder.mkdir()
    return page(replayed([site, other], mbox(folder / "berlin.mbox", *mails)), NOW)


def test_what_mails_and_file_names_bring_in_is_text_and_nothing_else(report: str) -> None:
    found = _Page(report)

    assert {"script", "img", "iframe", "link", "object", "base"}.isdisjoint(found.elements)
    assert "<img src=x onerror=alert(1)>" in found.text
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert "\u202e" not in report
    assert "<script>" in found.text  # the part of the Message-ID that is one
    assert "{{7*7}}\"'&<U+202E>@example.org>" in found.text


def test_it_loads_nothing(report: str) -> None:
    found = _Page(report)

    assert [] == [each for each in found.attributes if each[0] in ("src", "href", "xlink:href", "action", "srcset")]
    assert "url(" not in report
    assert "@import" not in report
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_each_plot_stands_beside_a_table_of_the_same_figures(report: str) -> None:
    found = _Page(report)

    assert 4 == found.attributes.count(("role", "img"))
    assert 4 == found.elements.count("table") - 2  # that of all mails, and that of each
    labelled = {value for name, value in found.attributes if name == "aria-labelledby"}
    assert labelled <= {value for name, value in found.attributes if name == "id"}
    for name in ("berlin", "harbour", "press", "12-02"):
        assert name in found.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as found:
        yield found


@pytest.mark.slow
def test_it_can_be_read_by_everybody_on_every_screen(browser: Chrome, report: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report, "utf-8")
    for width, height, scheme in ((360, 640, "light"), (360, 640, "dark"), (1100, 900, "light"), (1100, 900, "dark")):
        as_screen(browser, width, height, scheme)
        browser.get(path.as_uri())
        browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")

        assert [] == complaints(browser), (width, scheme)
        assert width >= browser.execute_script("return document.documentElement.scrollWidth")
        lengths = browser.execute_script(
            "return [...document.querySelectorAll('rect')].map(each => each.getBBox().width)"
        )
        assert lengths
        assert max(lengths) > width / 3
        assert [] == browser.get_log("browser")
