"""The walk through the parts of a message: every text that a reader sees is found once, with whose it is, or the
message is said to be cut; work is bounded, whatever the octets.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import strategies as st

from smtpguard.mail.bounds import BOUNDS, Bounds
from smtpguard.mail.message import ForwardKind, Message, Voice
from smtpguard.mail.parsing import parse_message
from tests.fuzz.mails import torn
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import HALF, SIDE, corpus, each_of, fuzz
from tests.fuzz.trees import MARK, Growing
from tests.fuzz.work import calls_of

SEEDS = corpus("walk")
PIECES = [
    b"\r\n", b"\n", b"\r\n\r\n", b"--b", b"--b\r\n", b"--b--\r\n", b"--", b"--b \t\r\n", b"--bx\r\n", b"some words\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: multipart/alternative; boundary=b\r\n",
    b"Content-Type: multipart/digest; boundary=b\r\n", b"Content-Type: message/rfc822\r\n", b"From: a@b.test\n",
    b"Content-Type: text/html\r\n", b"<p>", b"Content-Type: text/calendar\r\n", b"BEGIN:VCALENDAR\r\n", b"\xff",
    b"DESCRIPTION:x\r\n y\r\n", b"X-ALT-DESC:<p>x\r\n", b"METHOD:REQUEST\r\n", b'"', b":", b"=", b"=\r\n", b"\0",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"UEsDBBQ=",
    b"Content-Type: application/pkcs7-mime\r\n", b"Content-Type: application/octet-stream; name=x.eml\r\n",
    b"Content-Type: application/zip\r\n", b"Content-Type: text/plain; format=flowed; charset=utf-16\r\n", b'X="',
    b"MIAGCSqGSIb3DQEHAqCA", b"> ",
]  # fmt: skip
BOUNDS_OF_CHANCE = st.builds(
    Bounds, st.sampled_from([1, 50, 300, 2000, 20_000]), st.integers(1, 30), st.integers(1, 8), st.integers(1, 3)
)
# Calls for each octet (a header field of some octets makes an object, and ">" a line), and for each message.
CALLS_AN_OCTET = 10
CALLS_A_MESSAGE = 5000


def marks(message: Message) -> tuple[list[str], list[str]]:
    """The marks in the sender's own words, in order, and those in attached mails."""
    own = [word for each in message.passages if each.voice is Voice.OWN for word in MARK.findall(each.text)]
    attached = [
        word for each in message.passages if each.kind is ForwardKind.ATTACHED for word in MARK.findall(each.text)
    ]
    return own, attached


def check_tree(number: int) -> None:
    """What whoever made the tree put into it, and nothing else; nothing is wrong with such a message."""
    tree = Growing(random.Random(number)).message()
    message = parse_message(tree.octets)
    own, attached = marks(message)
    assert own == list(tree.own)
    assert Counter(attached) == Counter(tree.attached)
    assert message.defects == ()
    assert parse_message(tree.octets.replace(b"\r\n", b"\n")).passages == message.passages


def check_bounds(number: int, bounds: Bounds) -> None:
    """All of it, or a part of it and a word about that; no bound is met before its time."""
    tree = Growing(random.Random(number)).message()
    message = parse_message(tree.octets, bounds)
    own, attached = marks(message)
    assert not Counter(own) - Counter(tree.own)
    assert not Counter(attached) - Counter(tree.attached)
    if (own, Counter(attached)) != (list(tree.own), Counter(tree.attached)):
        assert message.cut_short
    fits = tree.parts <= bounds.parts and tree.depth <= bounds.depth and 3 * len(tree.octets) <= bounds.text
    if fits:
        assert not message.cut_short
    assert sum(len(each.text) for each in message.passages) <= 2 * bounds.text + 2 * bounds.parts


def check_any(octets: bytes, bounds: Bounds = BOUNDS) -> None:
    """Whatever the octets: never raises, the same each time, in bounded work, and no more text than there may be."""
    message, calls = calls_of(lambda: parse_message(octets, bounds))
    assert calls <= CALLS_A_MESSAGE + CALLS_AN_OCTET * len(octets)
    assert message == parse_message(octets, bounds)
    # Rules of a page become lines, and a text may be there as it is written and as it is seen.
    assert (
        sum(len(each.text) for each in message.passages) <= 20 * min(len(octets), bounds.text) + 2 * len(octets) + 100
    )


def check_growth(unit: bytes) -> None:
    """Twice the octets take twice the work, and no more."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    octets = [head + unit * count for count in (40, 80)]
    (_, once), (_, twice) = (calls_of(lambda each=each: parse_message(each)) for each in octets)  # type: ignore[misc]
    assert twice <= 2.1 * once + 2000


@each_of("walk")
def test_corpus(octets: bytes) -> None:
    check_any(octets)
    check_growth(octets)
    for bounds in (Bounds(text=100), Bounds(parts=2), Bounds(depth=1)):
        check_any(octets, bounds)
        whole, cut = parse_message(octets), parse_message(octets, bounds)
        assert cut.cut_short or cut == whole


@pytest.mark.parametrize("number", range(150))
def test_every_text_is_found_once_and_with_whose_it_is(number: int) -> None:
    check_tree(number)


@pytest.mark.slow
def test_fuzz_trees() -> None:
    fuzz(check_tree, share=HALF, number=st.integers(0, 2**64))


@pytest.mark.slow
def test_fuzz_trees_within_bounds() -> None:
    fuzz(check_bounds, share=HALF, number=st.integers(0, 2**64), bounds=BOUNDS_OF_CHANCE)


@pytest.mark.slow
def test_fuzz_torn_trees() -> None:
    def check_torn(number: int, bounds: Bounds) -> None:
        chance = random.Random(number)
        check_any(torn(chance, Growing(chance).message().octets), bounds)

    fuzz(check_torn, share=HALF, number=st.integers(0, 2**64), bounds=BOUNDS_OF_CHANCE | st.just(BOUNDS))


@pytest.mark.slow
def test_fuzz_walk() -> None:
    fuzz(check_any, octets=heap(PIECES, 60) | mutated(SEEDS, PIECES), bounds=BOUNDS_OF_CHANCE | st.just(BOUNDS))


@pytest.mark.slow
def test_fuzz_work_grows_as_the_message_does() -> None:
    fuzz(check_growth, share=SIDE, unit=heap(PIECES, 12))
