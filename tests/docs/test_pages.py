"""Links between the guides lead somewhere, and the picture is one that everybody can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import PAGES, ROOT, blocks
from tests.notices.browser import chromium

PICTURE = ROOT / "docs" / "where-it-stands.svg"
LINK = re.compile(r"\]\(([^)\s]+)\)")
MORE = (ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md")


def anchors(path: Path) -> set[str]:
    """As GitHub names headings: small letters, blanks as hyphens, no other signs."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in (*PAGES, *MORE):
        for found in LINK.finditer(page.read_text("utf-8")):
            if "://" not in found[1]:
                yield page, found[1]


@pytest.mark.parametrize(("page", "link"), [*links()], ids=lambda each: str(each).removeprefix(f"{ROOT}/"))
def test_every_link_leads_to_a_file_and_a_heading(page: Path, link: str) -> None:
    name, _, heading = link.partition("#")
    path = (page.parent / name).resolve() if name else page

    assert path.exists()
    assert not heading or heading in anchors(path)


def test_every_guide_can_be_reached_from_the_front_page() -> None:
    front = (ROOT / "README.md").read_text("utf-8")

    assert [] == [each.name for each in (ROOT / "docs").iterdir() if f"docs/{each.name}" not in front]


def test_the_picture_is_text_for_light_and_dark_and_asks_nobody_for_anything() -> None:
    text = PICTURE.read_text("utf-8")
    tree = ElementTree.fromstring(text)
    inside = {each.tag.rpartition("}")[2] for each in tree.iter()}

    assert {"title", "desc", "text"} <= inside
    assert not inside & {"script", "image", "use", "foreignObject", "a"}
    assert "prefers-color-scheme: dark" in text
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\"]+", text)


def test_the_front_page_has_the_same_picture_in_letters() -> None:
    front = (ROOT / "README.md").read_text("utf-8")
    plain = next(each.text for each in blocks(front) if "▶" in each.text)

    for each in ("mail program", "smtpguard", "mail server", "lists", "held, sealed", "notice", "answer", "outside"):
        assert each in plain
        assert each in PICTURE.read_text("utf-8")


def test_the_times_that_members_are_told_are_the_usual_ones() -> None:
    settings = (ROOT / "config" / "README.md").read_text("utf-8")
    told = " ".join((ROOT / "docs" / "members.md").read_text("utf-8").split())

    for key, default, words in (
        ("defaults.expires", "72h", "Without an answer the mail is deleted after 72 hours"),
        ("defaults.window", "7d", "to notice that you send the same again elsewhere | 7 days |"),
        ("defaults.thread_memory", "30d", "on which list a conversation began, and who wrote to it: marks | 30 days |"),
        ("memory.private", "30d", "remembered of private mail, for 30 days and up to a week more |"),
        ("memory.posts", "365d", "so that quoting them is not asked about: fingerprints | a year at most;"),
        ("remember", "lists", "| private mail | **nothing**, unless you were told otherwise"),
    ):
        assert f"| `{key}` | `{default}` |" in settings
        assert words in told


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_text_of_the_picture_is_cut_off_or_lies_on_another(scheme: str) -> None:
    with chromium() as browser:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        browser.set_window_size(1000, 700)
        browser.get(PICTURE.as_uri())
        boxes = browser.execute_script(
            "return [...document.querySelectorAll('text')].map(t => { const b = t.getBBox();"
            " return [t.textContent, b.x, b.y, b.x + b.width, b.y + b.height] })"
        )
        paper = browser.execute_script("return getComputedStyle(document.querySelector('rect')).fill")

    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 23, 32)"}[scheme]
    for number, (words, left, top, right, bottom) in enumerate(boxes):
        assert left >= 0, words
        assert right <= 900, words
        assert bottom <= 430, words
        for others, x, y, to_x, to_y in boxes[number + 1 :]:
            # Lines of one paragraph may touch.
            assert right <= x or to_x <= left or bottom - 3 <= y or to_y - 3 <= top, f"{words} / {others}"
