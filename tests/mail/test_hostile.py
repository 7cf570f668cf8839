"""Whatever comes in, it is read within bounds and there is a decision: the mails of `hostile.py`."""

from __future__ import annotations

import time
import tracemalloc
from datetime import UTC, datetime

import pytest

from smtpguard.examination import examine
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address
from smtpguard.mail.message import Account, Defect, Submission, Voice
from smtpguard.mail.parsing import parse_message
from smtpguard.policy import Policy
from smtpguard.verdict import Action
from tests.mail.hostile import LARGE, Hostile, hostile_mails

pytestmark = pytest.mark.slow

# Of the issue of reading: seconds of CPU and octets of memory for any one message. The seconds are those of a machine
# where nobody else is; beside other tests, which use the same caches, the same work takes twice that and more.
CPU_SECONDS_MAX = 3 * 2.0
MEMORY_OCTETS_MAX = 100_000_000
QUICK = 32 * 1024
BERLIN = Address("berlin", "lists.example.test")
POLICY = Policy((MailingList("berlin", BERLIN, Manager.MAILMAN3, "Berlin", "x@example.test"),))
ANNA = Account("anna@example.test", Address("anna", "example.test"))
# Those that took most, of each kind.
COSTLY = (
    "html/rule", "html/block", "html/open", "plain/label", "plain/commas", "plain/words", "plain/block",
    "plain/wide-label", "flowed/soft-quote", "charset/big5hkscs/escapes", "coding/binary/soft", "shape/label-parts",
    "shape/calendar-quotes", "shape/calendar-pages",
)  # fmt: skip


def named(mails: list[Hostile]) -> dict[str, Hostile]:
    return {each.name: each for each in mails}


def test_there_are_three_hundred_of_them() -> None:
    names = [each.name for each in hostile_mails(1024)]
    assert len(set(names)) == len(names) >= 300


@pytest.mark.parametrize(
    "mail", list(hostile_mails(QUICK)), ids=lambda each: each.name.encode("ascii", "replace").decode()
)
def test_a_hostile_mail_is_read_and_decided_on(mail: Hostile) -> None:
    octets = mail.octets()
    message = parse_message(octets)
    assert message == parse_message(octets)
    now = datetime(2026, 5, 3, tzinfo=UTC)
    verdict = examine(Submission("1", ANNA, (BERLIN,), message, now, len(octets)), POLICY)
    assert verdict.action in (Action.PASS, Action.HOLD, Action.REFUSE)


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_ten_megabytes_of_it_take_bounded_time_and_memory(name: str) -> None:
    octets = named(list(hostile_mails(LARGE)))[name].octets()
    began = time.process_time()
    message = parse_message(octets)
    assert time.process_time() - began < CPU_SECONDS_MAX
    del message
    tracemalloc.start()
    try:
        parse_message(octets)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_OCTETS_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        b"--bx\r\n" * 3_000_000,
        (b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + b"X: y\r\n" * 10_000) * 500,
        (
            b"--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAA"
            + b"A" * 60_000
            + b"\r\n"
        )
        * 499,
    ],
    ids=["almost boundaries", "headers", "files"],
)
def test_a_message_far_beyond_the_bounds_takes_no_more(part: bytes) -> None:
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part
    began = time.process_time()
    message = parse_message(octets)
    assert time.process_time() - began < CPU_SECONDS_MAX
    assert message.defects


def test_lines_beyond_the_bound_are_said_and_not_lost() -> None:
    text = b"a:\r\n" * 60_000
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n\r\n" + text) * 3 + b"--b--\r\n"
    message = parse_message(octets)
    assert Defect.MANY_LINES in message.defects
    assert message.cut_short
    assert sum(each.text.count("a:") for each in message.passages) == 180_000
    assert {each.voice for each in message.passages} == {Voice.OWN}


def test_pages_share_one_budget() -> None:
    page = b"--b\r\nContent-Type: text/html\r\n\r\n" + b"x" * 1024 * 1024 + b"\r\n"
    message = parse_message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + page * 5 + b"--b--\r\n")
    assert message.defects == (Defect.TEXT_CUT,)
    assert 2 * 1024 * 1024 < len(message.own_text) < 4 * 1024 * 1024
