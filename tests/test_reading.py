"""Reading one mail for judging: files are looked at no closer than needed, and large mails hold up no small ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from html.entities import html5

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpguard import reading
from smtpguard.accounts import Directory
from smtpguard.answers.token import Token
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.bounds import Bounds
from smtpguard.mail.content import Content, WireContent
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.policy import Policy
from smtpguard.reading import NoticeSigns, Reading, look_into, open_content

TOKEN = Token(bytes(range(7, 39)))
GUARD = Address("mailcheck", "check.example.test")
GUARDS = st.sampled_from([GUARD, Address("fj", "x.y"), Address("a+b", "c.de"), Address("posti", "x.y"), None])
FILE_PIECES = st.one_of(
    st.sampled_from(
        [f"{name}{plus}" for name in ("mailcheck", "fj", "a+b", "posti") for plus in ("+", "%2b", "&plus;", "&#43;")]
    ).map(str.encode),
    st.sampled_from(
        [b"code:", b"CODE :", b"code", b"c&#111;de:", b"co&#1;de:", b"co&#x;de&colon;", b"&#109;ailcheck+", b"&fjlig;+",
         b"&fjlig&plus;", b"post&Idot;+", b"&#", b"&#y", b"&amp;", b"\xe9", b"x" * 1000, b"&x" * 400,
         b"&CounterClockwiseContourIntegral;" * 40, b"&CounterClockwiseContourIntegral;" * 1030]
    ),
    st.binary(max_size=20),
)  # fmt: skip


@given(st.lists(FILE_PIECES, max_size=8).map(b"".join), GUARDS)
@example(b"x" * 2000 + b"po&fjlig;st&plus;", Address("pofjst", "x.y"))
def test_a_file_is_passed_over_only_if_its_text_holds_no_sign_of_a_notice(octets: bytes, guard: Address | None) -> None:
    signs = NoticeSigns(guard)
    if not signs.may_be_in_file(octets):
        assert not signs.may_be_in(unescape(octets.decode("latin-1")))


def test_character_references_stand_for_no_letters_and_digits_that_are_not_looked_for() -> None:
    letters = {name for name, text in html5.items() if any(each.isascii() and each.isalnum() for each in text.lower())}
    assert letters == {"fjlig;", "Idot;"}  # the second is an i and a dot of its own, which no name holds
    assert max(map(len, html5)) + 1 == reading.REFERENCE_CHARACTERS_MAX


def mail(*parts: str) -> Content:
    head = "From: anna@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return WireContent((head + "".join(f"--b\r\n{each}\r\n" for each in parts) + "--b--\r\n").encode())


@pytest.mark.parametrize(
    "file",
    [
        f"{'x' * 2000} code: {TOKEN.code}",
        f"{'x' * 2000} mailcheck+{TOKEN.code}@check.example.test",
        f"{'x' * 2000} MAILCHECK&plus;{TOKEN.code}",
        f"{'x' * 2000} &#77;ailcheck&#x2b;{TOKEN.code}",
        f"{'&amp;' * 800} {TOKEN.code}",
        TOKEN.code,
    ],
)
def test_the_code_of_a_notice_is_found_in_an_attached_file(file: str) -> None:
    signs = NoticeSigns(GUARD)
    content = mail("\r\nSee the file.", f"Content-Type: application/octet-stream\r\n\r\n{file}")
    assert look_into(open_content(content, signs), signs)[1] == (TOKEN,)


class Waiting:
    """Content that comes when it is told to, and says in which thread it is read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def pieces(self) -> Iterator[bytes]:
        self.thread = threading.current_thread()
        self.begun.set()
        assert self.may_go_on.wait(30)
        yield b"From: anna@example.org\r\n\r\nHello.\r\n"

    def close(self) -> None:
        pass


def arrival(content: Content) -> Arrival:
    reverse_path = parse_path("FROM:<anna@example.org>")
    assert reverse_path is not None
    envelope = Envelope(reverse_path, ())
    return Arrival("1", None, False, envelope, content, datetime(2026, 11, 22, tzinfo=UTC))


async def test_a_mail_with_a_large_file_never_waits_for_larger_ones() -> None:
    read = Reading()
    large = [Waiting(10_000_000) for _ in range(3)]
    files = mail("\r\nSee the file.", f"Content-Type: application/octet-stream\r\n\r\n{'x' * 100_000}")
    text = mail(f"\r\n{'words ' * 100_000}")
    waiting = [asyncio.create_task(read.read(arrival(each), Policy(), Directory(Policy()))) for each in large]
    assert await asyncio.to_thread(large[0].begun.wait, 30)

    for content in (files, text):
        submission, _ = await asyncio.wait_for(read.read(arrival(content), Policy(), Directory(Policy())), 30)
        assert submission.message.own_text

    assert [each.begun.is_set() for each in large] == [True, False, False]  # one at a time
    for each in large:
        each.may_go_on.set()
    assert [submission.message.own_text for submission, _ in await asyncio.gather(*waiting)] == ["Hello."] * 3
    assert threading.main_thread() not in [each.thread for each in large]


async def test_a_mail_of_which_most_is_a_file_is_read_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_thread(*_: object) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr(asyncio, "to_thread", in_thread)
    content = mail("\r\nSee the file.", f"Content-Type: application/octet-stream\r\n\r\n{'x' * 200_000}")
    guarded = Policy(guard_address=parse_address("mailcheck@check.example.test"))
    submission, _ = await Reading().read(arrival(content), guarded, Directory(guarded))
    assert submission.message.own_text == "See the file."
    with pytest.raises(AssertionError):
        await Reading().read(arrival(mail(f"\r\n{'words ' * 11_000}")), guarded, Directory(guarded))


@pytest.mark.parametrize("size", [60_000, 200_000, 400_000, 1_200_000], ids=["inline", "thread", "medium", "large"])
async def test_no_more_text_is_read_than_the_site_says_in_whatever_lane(size: int) -> None:
    content = mail(f"\r\n{'words ' * (size // 6)}")
    few = Policy(bounds=Bounds(text=50_000))
    submission, _ = await Reading().read(arrival(content), few, Directory(few))
    assert submission.message.cut_short
    assert len(submission.message.own_text) <= 50_000
    submission, _ = await Reading().read(arrival(content), Policy(), Directory(Policy()))
    assert not submission.message.cut_short
