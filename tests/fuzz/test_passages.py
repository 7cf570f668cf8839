"""Who speaks in a text: nothing raises, no line is lost or said twice, work is bounded, and neither the language nor
the dress of a text changes who speaks in it.
"""

from __future__ import annotations

import base64
import random
import re

import pytest
from hypothesis import strategies as st

from smtpguard.mail.headings import Heading
from smtpguard.mail.lines import lines_of
from smtpguard.mail.message import Message, Passage, Voice
from smtpguard.mail.parsing import parse_message
from smtpguard.mail.passages import passages_of
from tests.fuzz.forwards import FORMS, PAGES, TONGUES, Letter, as_page, as_text
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import HALF, SIDE, corpus, each_of, fuzz
from tests.fuzz.work import calls_of
from tests.mail.test_shortcuts import ATTRIBUTIONS, BANNERS, DEVICES, LABELS, ODD_LINES, line_by_line

SEEDS = corpus("passages")
PIECES = [
    b"\n", b"\n\n", b"> ", b">", b" >", b">>> ", b":", b": ", b"From: a@b.test\n", b"To: c@d.test,\n", b"Subject: x\n",
    b"Date: 3 May 2026\n", b"-----Original Message-----\n", b"---------- Forwarded message ---------\n", b"--\n",
    b"-- \n", b"\r", b"*",
    b"Begin forwarded message:\n", b"On 3 May 2026 Anna <a@b.test> wrote:\n", b"Von: a@b.test\n", b"_" * 40 + b"\n",
    b"Anna on 05/04/2026 09:02 AM\n", b'>>>>> "AM" == A <a@b.test> writes:\n', b"AM> x\n", b"\xe2\x80\x8b", b"\xc2\xa0",
    "\u53d1\u4ef6\u4eba\uff1aa@b.test\n".encode(), b"words in a row\n", b"----- End forwarded message -----\n",
    b"Sent from my telephone\n", b"\t", b"Hello x,\n", b"you wrote:\n", b"From 0\n", b"\xe2\x80\xae", b"\x0b", b"\x85",
]  # fmt: skip
SUBJECTS = ["", "Re: x", "Fwd: x", "VS: x", "x"]
# Calls for each line of a text, and for each text: a line near a landmark is looked at by every reader of lines, and a
# line that may be folded into a value looks ahead (FOLD_LINES_MAX lines of three calls each).
CALLS_A_LINE = 250
CALLS_A_TEXT = 1000
# How far below a banner its labels may stand, and what may be taken for a name and a date there.
NEAR = 10


def check(octets: bytes) -> None:
    """Whatever the text: as line by line, in bounded work, and neither more nor other words than it has."""
    text = octets.decode("utf-8", "replace")
    visible = lines_of(text).whole
    for subject in SUBJECTS:
        heading = Heading(subject)
        found, calls = calls_of(lambda heading=heading: passages_of(text, heading))  # type: ignore[misc]
        assert calls <= CALLS_A_TEXT + CALLS_A_LINE * (visible.count("\n") + 1)
        assert found == line_by_line(text, heading)
        at = 0
        for each in found:
            for line in each.text.split("\n"):
                at = visible.find(line, at)
                assert at >= 0, "words that do not stand there, or not in this order"
                at += len(line)


def mark(number: int) -> str:
    """A word that stands nowhere else: letters only, because figures are looked for in dates."""
    letters = ""
    for _ in range(4):
        number, digit = divmod(number, 20)
        letters += "bcdfghjklmnprstvwxyz"[digit]
    return f"qu{letters}qu"


def check_kept(pieces: list[list[str] | str], quote: list[str], subject: str) -> None:
    """No ordinary line is lost, none is said twice, and they keep their order.

    `pieces` are special lines, "" for a blank line, and lists of special lines; None stands for an ordinary line. Only
    what stands right below a label, or soon below a banner, may be the rest of it.
    """
    lines: list[str] = []
    ordinary: dict[int, str] = {}
    for piece in pieces:
        for line in [piece] if isinstance(piece, str) else piece:
            if line == ORDINARY:
                ordinary[len(lines)] = mark(len(lines))
                lines.append(f"some {mark(len(lines))} words")
            else:
                lines.append(line)
    marks = [quote[n % len(quote)] if quote else "" for n in range(len(lines))]
    text = "\n".join(before + line for before, line in zip(marks, lines, strict=True))
    said = re.findall(r"qu[a-z]{4}qu", "\n".join(each.text for each in passages_of(text, Heading(subject))))
    assert said == sorted(set(said), key=said.index)
    assert said == [word for word in ordinary.values() if word in said]
    for at, word in ordinary.items():
        special = [n for n, line in enumerate(lines[:at]) if line.strip() and n not in ordinary]
        near = bool(special) and (at - special[-1] <= NEAR or all(lines[special[-1] : at]))
        followed = at + 1 < len(lines) and lines[at + 1].strip() and at + 1 not in ordinary
        if not near and not followed:
            assert word in said


ORDINARY = "ordinary"
KEPT = st.lists(
    st.integers(1, 14).map(lambda count: [ORDINARY] * count)
    | st.sampled_from(["", ""])
    | st.lists(LABELS, min_size=2, max_size=5) | LABELS | BANNERS | ATTRIBUTIONS | DEVICES | ODD_LINES,
    max_size=14,
)  # fmt: skip


def check_quotes(depths: list[int], subject: str) -> None:
    """Without labels, banners and attributions: what has a quote mark is quoted, the rest are own words; a forward
    passes on what it quotes first.
    """
    expected: list[tuple[Voice, list[str]]] = []
    for n, depth in enumerate(depths):
        voice = Voice.QUOTED if depth else Voice.OWN
        if not expected or expected[-1][0] is not voice:
            expected.append((voice, []))
        expected[-1][1].append(mark(n))
    if subject.startswith("Fwd"):
        first = next((n for n, (voice, _) in enumerate(expected) if voice is Voice.QUOTED), None)
        if first is not None:
            expected[first] = Voice.FORWARDED, expected[first][1]
    text = "\n".join("> " * depth + mark(n) for n, depth in enumerate(depths))
    assert [(each.voice, each.text.split()) for each in passages_of(text, Heading(subject))] == expected


def seen(passages: tuple[Passage, ...]) -> list[tuple[object, ...]]:
    """Who speaks, what is known of him, and his words."""
    return [
        (
            *(each.voice, each.kind, each.author, each.author_name, each.recipients, each.sent, each.subject),
            each.text.split(),
        )
        for each in passages
    ]


def octets_of(letter: Letter, text: str, kind: str, charset: str = "utf-8") -> bytes:
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode()
    subject = f"=?utf-8?b?{base64.b64encode(letter.subject.encode()).decode()}?="
    return f"Subject: {subject}\r\nMIME-Version: 1.0\r\n".encode() + head + base64.encodebytes(text.encode(charset))


def speakers(message: Message) -> list[tuple[Voice, str | None]]:
    return [(each.voice, each.author.normal if each.author else None) for each in message.passages]


def check_letter(number: int, language: str, form: int) -> None:
    """A forward is one and an answer is none, in plain text as on a page, in any language and charset."""
    chance = random.Random(number)
    letter = FORMS[form](chance, language)
    plain = parse_message(octets_of(letter, as_text(letter.lines), "plain"))
    assert speakers(plain) == letter.speakers, as_text(letter.lines)
    assert plain.says_forward is any(voice is Voice.FORWARDED for voice, _ in letter.speakers)
    for dress in PAGES:
        page = parse_message(
            octets_of(letter, as_page(letter.lines, dress), "html", chance.choice(["utf-8", "utf-16"]))
        )
        assert seen(page.passages) == seen(plain.passages), dress.__name__
    page_text = as_page(letter.lines, chance.choice(PAGES))
    versions = [octets_of(letter, as_text(letter.lines), "plain"), octets_of(letter, page_text, "html")]
    head, _, _ = versions[0].partition(b"Content-Type")
    octets = head + b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    octets += b"".join(b"--b\r\n" + each.removeprefix(head) + b"\r\n" for each in versions) + b"--b--\r\n"
    assert seen(parse_message(octets).passages) == seen(plain.passages)


def check_growth(unit: bytes, subject: str) -> None:
    """Twice as much more text takes twice as much more work, and no more: the first lines are read with less care."""
    heading = Heading(subject)
    texts = [unit.decode("utf-8", "replace") * count for count in (40, 80, 160)]
    one, two, four = (calls_of(lambda text=text: passages_of(text, heading))[1] for text in texts)  # type: ignore[misc]
    assert four - two <= 2.1 * (two - one) + CALLS_A_TEXT


@pytest.mark.slow
@each_of("passages")
def test_corpus(octets: bytes) -> None:
    check(octets)
    for subject in SUBJECTS:
        check_growth(octets, subject)


@pytest.mark.parametrize("language", TONGUES)
def test_who_speaks_in_every_language(language: str) -> None:
    for form in range(len(FORMS)):
        for number in range(4):
            check_letter(number, language, form)


@pytest.mark.slow
def test_fuzz_texts() -> None:
    fuzz(check, octets=heap(PIECES, 60) | mutated(SEEDS, PIECES))


@pytest.mark.slow
def test_fuzz_no_line_is_lost() -> None:
    quotes = st.sampled_from([[], [], ["> "], ["> ", "> ", ">> "], ["", "> "]])
    fuzz(check_kept, share=HALF, pieces=KEPT, quote=quotes, subject=st.sampled_from(SUBJECTS))


@pytest.mark.slow
def test_fuzz_quotes() -> None:
    fuzz(check_quotes, share=SIDE, depths=st.lists(st.integers(0, 3), max_size=40), subject=st.sampled_from(SUBJECTS))


@pytest.mark.slow
def test_fuzz_forwards_and_answers_in_many_languages() -> None:
    fuzz(
        check_letter,
        share=HALF,
        number=st.integers(0, 2**64),
        language=st.sampled_from(TONGUES),
        form=st.integers(0, len(FORMS) - 1),
    )


@pytest.mark.slow
def test_fuzz_work_grows_as_the_text_does() -> None:
    fuzz(check_growth, share=SIDE, unit=heap(PIECES, 12), subject=st.sampled_from(SUBJECTS))
