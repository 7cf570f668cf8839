"""What a browser or a mail program makes of the HTML part of a mail, as far as a test can ask."""

from __future__ import annotations

from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urlsplit

from tests.notices.samples import read

VOID = frozenset({"meta", "br"})
INLINE = frozenset({"a", "b"})


class Page(HTMLParser):
    """Every element with its attributes, the links, and the words that are seen."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.elements: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.links: list[str] = []
        self.title = ""
        self._seen: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    @property
    def words(self) -> list[str]:
        """All words that are seen, in order."""
        return "".join(self._seen).split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element's start."""
        given = {name: value or "" for name, value in attrs}
        if "href" in given:
            self.links.append(given["href"])
        self.elements.append((tag, tuple(sorted((name, _without_words(value)) for name, value in given.items()))))
        if tag not in VOID:
            self._open.append(tag)
        if tag not in INLINE:
            self._seen.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Take its end, which must be its own."""
        assert self._open.pop() == tag
        if tag not in INLINE:
            self._seen.append(" ")

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if self._open[-1:] == ["title"]:
            self.title += data
        elif "style" not in self._open:
            self._seen.append(data)

    def handle_comment(self, data: str) -> None:
        """There is none."""
        raise AssertionError(f"a comment: {data}")


def _without_words(value: str) -> str:
    """A mailto: link without its subject, which holds the mail's own."""
    return (
        value
        if not value.startswith("mailto:")
        else "&".join(each for each in value.replace("?", "&").split("&") if not each.startswith("subject="))
    )


@lru_cache(64)
def page_source(octets: bytes) -> str:
    """The HTML part as text."""
    part = read(octets).get_body(("html",))
    assert part is not None
    return str(part.get_content())


def page(octets: bytes) -> Page:
    """The HTML part, parsed."""
    return Page(page_source(octets))


def answer(link: str) -> tuple[str, str, str]:
    """Address, subject and body of the mail that a mailto: link begins (RFC 6068)."""
    parts = urlsplit(link)
    assert parts.scheme == "mailto"
    assert "+" not in link, "some programs read a plus sign as a blank"
    fields = parse_qs(parts.query, strict_parsing=True)
    assert {"subject", "body"} == set(fields)
    return unquote(parts.path), fields["subject"][0], fields["body"][0]
