"""What strangers write stays text on every page: 200 strings, in every place where a page shows their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, reduce
from html.parser import HTMLParser
from operator import or_

import pytest

from smtpguard.deciding import Done, Effect, Waiting
from smtpguard.held import HeldMail, HeldRow, NumberedList, State
from smtpguard.mail.content import stuffed
from smtpguard.notices.harmless import harmless
from smtpguard.notices.site import Refusal
from smtpguard.web.contents import contents_of
from smtpguard.web.speaking import Speaker
from tests.notices.samples import ENGLISH, SITE, TOKEN, crosspost, finding
from tests.notices.test_hostile import HOSTILE as OF_NOTICES

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
_TAGS = (
    "script",
    "img",
    "svg",
    "iframe",
    "object",
    "embed",
    "style",
    "link",
    "meta",
    "base",
    "form",
    "input",
    "a",
    "math",
)
_RUN = "alert(1)"
_SHAPES = (
    "<{0} src=x onerror={1}>",
    '"><{0} onload={1}>',
    "'><{0} autofocus onfocus={1}>",
    "</{0}><{0} href=javascript:{1}>",
    "<{0}/x=\"\">{1}</{0}>",
    "<!--><{0}>{1}-->",
    "<![CDATA[<{0}>]]>{1}",
    "&lt;{0}&gt;&#60;{0} {1}>",
    "\uff1c{0}\uff1e{1}<\0{0}>",
    "{{{{ '<{0}>'|safe }}}} {1}",
)  # fmt: skip
HOSTILE = [*OF_NOTICES, *(shape.format(tag, _RUN) for tag in _TAGS for shape in _SHAPES)]
assert len(HOSTILE) >= 200
ROW = HeldRow(id=b"i" * 32, state=State.HELD)


class _Tags(HTMLParser):
    """What a browser would make elements of, and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        self.found.append(f"{tag} {' '.join(names)}")
        # Of values only hidden fields and links could matter, and these are ours.
        self.found += [str(value) for name, value in attributes if name in ("href", "src", "action", "value", "id")]

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.found.append("declaration")


def elements(page: bytes) -> Counter[str]:
    parser = _Tags()
    parser.feed(page.decode("utf-8"))
    return Counter(parser.found)


def letter(word: str) -> bytes:
    line = re.sub(r"[\r\n\0]+", " ", word)
    text = (
        f"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{word}\n--b\n"
        f'Content-Type: image/png; name="{line}.png"\n\nx\n--b\n'
        f"Content-Type: message/rfc822\n\nSubject: {line}\n\n{word}\n--b--\n"
    )
    return stuffed(re.sub(r"\r?\n", "\r\n", text).encode("utf-8", "surrogatepass"))


def whole_view(word: str, held: HeldMail) -> bytes:
    speaker = Speaker(ENGLISH, SITE)
    contents = contents_of(letter(word))
    return bytes(speaker.view(TOKEN, Waiting(ROW, held), contents, NOW, None).body)


def crowded(word: str) -> HeldMail:
    """A held mail with `word` wherever a stranger's words can stand."""
    lists = (NumberedList(1, "berlin", word), NumberedList(2, "all-members", word, suggested=True))
    facts = {"author": word, "begins": word, "sent": word, "subject": word, "target": (word, "berlin")}
    findings = (finding("11-08", **facts), finding("12-10", lists=(word,)))
    envelope = crosspost().envelope
    recipients = (*envelope.recipients, replace(envelope.recipients[0], typed=word, address=None))
    return crosspost(
        subject=word,
        greeting=word,
        lists=lists,
        findings=findings,
        envelope=replace(envelope, recipients=recipients),
        recipient_lists=(1, 2, None),
    )


PLAIN = "words"


@cache
def allowed() -> tuple[Counter[str], frozenset[str]]:
    """The elements of a harmless view, and those that are there or not by how much text there is."""
    harmless = [elements(whole_view(each, crowded(each))) for each in (PLAIN, "", "word " * 50_000)]
    most = reduce(or_, harmless)
    return most, frozenset(each for each in most if len({found[each] for found in harmless}) > 1)


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_make_no_element_of_a_view(word: str) -> None:
    found = elements(whole_view(word, crowded(word)))
    most, optional = allowed()

    assert set(found) <= set(most)
    assert [] == [each for each in found if each not in optional and found[each] > most[each]]


EFFECTS: dict[str, Callable[[str], Effect]] = {
    "sent": lambda word: Effect(Done.SENT, (word, "b"), (word,), (Refusal(word, word),), True),
    "refused": lambda word: Effect(Done.REFUSED, refused=(Refusal(word, word),)),
    "discarded": lambda _: Effect(Done.DISCARDED),
    "back": lambda _: Effect(Done.BACK, interrupted=True),
}


@pytest.mark.parametrize("name", EFFECTS)
def test_hostile_words_make_no_element_of_what_is_told(name: str) -> None:
    speaker = Speaker(ENGLISH, SITE)

    def told(word: str) -> Counter[str]:
        return elements(bytes(speaker.effect(EFFECTS[name](word), crowded(word), "CODE").body))

    like = told(PLAIN)
    for word in HOSTILE:
        assert like >= told(word), ascii(word)


def test_of_a_thousand_lists_only_those_that_are_shown_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def counting(fact: str, most: int = 80) -> str:
        looked.append(fact)
        return harmless(fact, most)

    monkeypatch.setattr("smtpguard.notices.harmless.harmless", counting)
    path = crosspost().envelope.recipients[0]
    paths = tuple(replace(path, typed=f"list-{number}@example.test", address=None) for number in range(1000))
    held = crosspost(
        lists=tuple(NumberedList(number + 1, f"list-{number}", "") for number in range(1000)),
        envelope=replace(crosspost().envelope, recipients=paths),
        recipient_lists=tuple(range(1, 1001)),
    )
    names = tuple(path.typed for path in paths)
    page = whole_view("x", held).decode()
    assert "and 950 more" in page
    told = bytes(Speaker(ENGLISH, SITE).effect(Effect(Done.SENT, names, names), held, "CODE").body).decode()
    assert "and 996 others" in told
    assert len(looked) < 200


def test_no_title_names_the_mail() -> None:
    planted = "Subjectplanted"
    page = whole_view(planted, crosspost(subject=planted)).decode()

    assert planted in page
    assert planted not in page.partition("</title>")[0]
