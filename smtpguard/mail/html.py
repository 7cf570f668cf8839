"""HTML of a mail as plain lines: what a reader sees or could see, with ">" before quoted lines.

The standard library's html.parser is not linear (CPython 3.11: 60 KB of "<a " take 24 s, 80 KB of "<!--" 2.4 s) and
tree builders are worse on nested elements. This scanner never looks at a character twice but for a constant: each
search for an end starts where the last one stopped, and "there is no more" is remembered.

Hidden text counts as text: hiding is how a passage would be carried past a reader. It can be left out where the
question is what a person wrote: mail programs and templates hide a preview line on top of a letter. The title of a page
is left out always; no mail program shows one.
"""

from __future__ import annotations

import re
from html import unescape

# A body of a letter has some 100 KB; newsletters reach 1 MiB. What follows is left out and said in the defects.
HTML_CHARACTERS_MAX = 2 * 1024 * 1024
# Quotes of quotes; a line gets one ">" for each level, so that depth is also a factor in the length of the output.
QUOTE_DEPTH_MAX = 20
# An attribute may hold ">" in quotes; after so many of them the tag ends at the next ">".
_QUOTED_ENDS_MAX = 8

# Long enough for a divider; many rules of a page must not make a text many times its size.
RULE_LINE = "_" * 12

_BLOCKS = frozenset(
    (
        "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dir", "div", "dl",
        "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "html",
        "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot",
        "thead", "tr", "ul",
    )
)  # fmt: skip
_CELLS = frozenset(("td", "th"))
_SKIPPED = frozenset(("script", "style", "title"))
# Elements without content (HTML, "Void elements"): they hide nothing but themselves.
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_HIDING = re.compile(r"(?:^|[\s\"'])hidden(?=[\s=/]|$)|display\s*+:\s*+none|visibility\s*+:\s*+hidden", re.IGNORECASE)
_NAME = re.compile(r"/?[a-zA-Z][^\s/>]*")
# Behind a "<" that begins nothing all is text up to here.
_TAG = re.compile(r"<(?:/?[a-zA-Z]|[!?])")
_BLANKS = re.compile(" +")
_SPACE = re.compile(r"[ \t\r\n\f]+")


class _Page:
    """The lines that have been written so far, and the depth of quotation.

    `hidden` is the name of the element that hides what is being read, and how many of that name are open; '' if
    nothing hides it or `hides` is false.
    """

    def __init__(self, hides: bool) -> None:
        self.hides = hides
        self.hidden = ("", 0)
        self.lines: list[str] = []
        self.line: list[str] = []
        self.depth = 0
        self.preformatted = 0

    def element(self, name: str, attributes: str, self_closed: bool) -> None:
        """Take a tag. Within hidden text only the end of it counts."""
        hidden, depth = self.hidden
        if depth:
            if name == hidden and not self_closed:
                self.hidden = hidden, depth + 1
            elif name == f"/{hidden}":
                self.hidden = hidden, depth - 1
        elif self.hides and name[0] != "/" and name not in _VOID and not self_closed and _HIDING.search(attributes):
            self.hidden = name, 1
            if name in _BLOCKS:
                self.end_line()
        else:
            _element(name, self, self_closed)

    def write(self, text: str) -> None:
        if self.hidden[1]:
            return
        text = unescape(text) if "&" in text else text
        if self.preformatted:
            first, *others = text.split("\n")
            self.line.append(first.rstrip("\r"))
            for other in others:
                self.end_line(keep_blank=True)
                self.line.append(other.rstrip("\r"))
            return
        self.line.append(_SPACE.sub(" ", text))

    def end_line(self, keep_blank: bool = False) -> None:
        """Close the line. Blank lines come only from <br>, <p> and preformatted text."""
        text = "".join(self.line)
        if not self.preformatted:
            text = (_BLANKS.sub(" ", text) if "  " in text else text).strip(" ")
        self.line.clear()
        if text or keep_blank:
            # A text that itself begins with ">" would be read as deeper than it stands; that is what it looks like,
            # too.
            self.lines.append(">" * self.depth + (" " if self.depth and text else "") + text)

    def blank(self) -> None:
        """One blank line, never two of them from markup."""
        if self.lines and self.lines[-1].strip("> "):
            self.lines.append(">" * self.depth)


def hides_text(html: str) -> bool:
    """Quick test: False where nothing in `html` can be hidden."""
    return _HIDING.search(html) is not None


def html_text(html: str, hidden: bool = True) -> str:
    """The text of `html` with LF between lines; blockquotes get ">" as a mail in plain text has it. Never raises.

    `hidden`: with what the page hides. Reads at most HTML_CHARACTERS_MAX characters, in linear time.
    """
    html = html[:HTML_CHARACTERS_MAX]
    page = _Page(hides=not hidden)
    position, size = 0, len(html)
    closings: dict[str, bool] = {}
    while position < size:
        start = html.find("<", position)
        if start < 0:
            page.write(html[position:])
            break
        if start > position:
            page.write(html[position:start])
        position = _markup(html, start, page, closings)
    page.end_line()
    return "\n".join(page.lines).replace("\xa0", " ")


def _markup(html: str, start: int, page: _Page, closings: dict[str, bool]) -> int:
    """Take what begins with the "<" at `start`; returns where to go on."""
    following = html[start + 1 : start + 2]
    if following in ("!", "?"):
        if html.startswith("<!--", start):
            end = _find(html, "-->", start + 4, closings)
            if end >= 0:
                return end + 3
        end = _find(html, ">", start, closings)
        return len(html) if end < 0 else end + 1
    name_match = _NAME.match(html, start + 1, start + 1 + 64)
    if name_match is None:
        tag = _TAG.search(html, start + 1)
        end = tag.start() if tag is not None else len(html)
        page.write(html[start:end])
        return end
    end = name_match.end()
    if not html.startswith(">", end):
        end = _tag_end(html, end, closings)
    if end < 0:
        # No ">" any more: whatever follows is text to most programs, or nothing; text is the careful reading.
        page.write(html[start:])
        return len(html)
    name = name_match.group().lower()
    if name in _SKIPPED:
        close = _find(html, f"</{name}", end, closings)
        # Without its end the element swallows the rest in a browser; we keep the rest as text.
        return end + 1 if close < 0 else close
    page.element(name, html[name_match.end() : end] if page.hides else "", self_closed=html[end - 1] == "/")
    return end + 1


def _find(html: str, text: str, start: int, closings: dict[str, bool]) -> int:
    """html.find that is asked in vain only once for each `text`."""
    if closings.get(text):
        return -1
    found = html.find(text, start)
    if found < 0:
        closings[text] = True
    return found


def _tag_end(html: str, start: int, closings: dict[str, bool]) -> int:
    """Index of the ">" that ends a tag; one within a quoted attribute value does not count."""
    end = _find(html, ">", start, closings)
    position = start
    for _ in range(_QUOTED_ENDS_MAX):
        if end < 0:
            return end
        quote = _first_quote(html, position, end)
        if quote < 0:
            return end
        mark = html[quote]
        close = html.find(mark, quote + 1, end)
        if close >= 0:
            position = close + 1
            continue
        # The quote is still open at ">": look for its end nearby, else take the ">" as it is.
        close = html.find(mark, end, end + 2048)
        if close < 0:
            return end
        position = close + 1
        end = html.find(">", close, close + 65_536)
    return end


def _first_quote(html: str, start: int, end: int) -> int:
    double, single = html.find('"', start, end), html.find("'", start, end)
    if double < 0 or single < 0:
        return max(double, single)
    return min(double, single)


def _element(name: str, page: _Page, self_closed: bool) -> None:
    """Do what a tag means for lines. Opening and closing tags of blocks both end a line."""
    closing = name.startswith("/")
    bare = name[1:] if closing else name
    if bare == "br":
        page.end_line(keep_blank=True)
    elif bare == "hr":
        page.end_line()
        page.lines.append(">" * page.depth + (" " if page.depth else "") + RULE_LINE)
    elif bare in _CELLS:
        page.line.append(" ")
    elif bare == "blockquote":
        page.end_line()
        if not self_closed:
            page.depth = max(0, page.depth - 1) if closing else min(QUOTE_DEPTH_MAX, page.depth + 1)
    elif bare == "pre":
        page.end_line()
        page.preformatted = max(0, page.preformatted - 1) if closing else page.preformatted + 1
    elif bare in _BLOCKS:
        page.end_line()
        if bare == "p" and closing:
            page.blank()
