"""Held mail as the guard would hold it, made from messages; and what a notice looks like to its reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from smtpguard.accounts import Directory
from smtpguard.answers.token import Token
from smtpguard.config.texts import shipped
from smtpguard.evidence import NOTHING_KNOWN, Evidence
from smtpguard.examination import unexamined
from smtpguard.held import HeldMail
from smtpguard.holding import held_mail
from smtpguard.judgement import judge
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import WireContent, stuffed
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.notices.compose import compose_notice
from smtpguard.notices.languages import Language
from smtpguard.notices.letter import Letterhead
from smtpguard.notices.site import Site
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Finding, Verdict

TOKEN = Token(bytes(range(32)))
ARRIVED = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
FORBIDDEN = ("violation", "policy", "blocked", "suspicious", "incident", "reported")


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def mailing_list(name: str, about: str) -> MailingList:
    return MailingList(name, address(f"{name}@lists.example.org"), Manager.MAILMAN3, about, "it@example.org")


LISTS = (
    mailing_list("berlin", "Berlin branch: meetings and minutes"),
    mailing_list("all-members", "News for all members"),
    mailing_list("press", "Press releases and answers to journalists"),
)
POLICY = Policy(
    lists=LISTS,
    desks=frozenset({address("commission@example.org")}),
    list_domains=frozenset({"lists.example.org"}),
    member_domains=frozenset({"example.org"}),
    guard_address=address("mailcheck@check.example.org"),
)
ENGLISH = shipped().of("en")
_speaks = [ENGLISH]


def speaks() -> Language:
    """The language that the mails of `CASES` are written in."""
    return _speaks[-1]


@contextmanager
def speaking(code: str) -> Iterator[Language]:
    """Write mails in another language."""
    _speaks.append(shipped().of(code))
    try:
        yield speaks()
    finally:
        _speaks.pop()


SITE = Site(
    "Example Union",
    ZoneInfo("Europe/Berlin"),
    "Sam, office, 030 123 45 67, Mon-Fri 10-16",
    "commission@example.org",
    texts=shipped(),
)
HEAD = Letterhead(
    guard=address("mailcheck@check.example.org"),
    message_id="<notice.1@check.example.org>",
    date=datetime(2026, 11, 22, 18, 0, 5, tzinfo=ZoneInfo("Europe/Berlin")),
    to=address("anna@example.org"),
    reply_to=f"mailcheck+{TOKEN.code}@check.example.org",
    in_reply_to="<minutes@example.org>",
)


def held(
    octets: bytes,
    recipients: Sequence[str],
    *,
    rules: Policy = POLICY,
    broken_check: bool = False,
    known: Evidence = NOTHING_KNOWN,
) -> HeldMail:
    """What would be sealed if Anna sent `octets` to `recipients`. Fails if that mail would not be held."""
    message = parse_message(octets)
    account = Directory(rules, account_domain="example.org").account("anna", None)
    submission = Submission(
        id="0123456789ab",
        account=account,
        recipients=tuple(map(address, recipients)),
        message=message,
        arrived=ARRIVED,
        size=len(octets),
    )
    verdict: Verdict = unexamined(submission, rules) if broken_check else judge(submission, known, rules)
    assert verdict.action is Action.HOLD, verdict
    paths = [
        parse_path(f"{'FROM' if n == 0 else 'TO'}:<{each}>") for n, each in enumerate(("anna@example.org", *recipients))
    ]
    assert all(paths)
    arrival = Arrival(
        id="0123456789ab",
        login="anna",
        authenticated=True,
        envelope=Envelope(paths[0], tuple(paths[1:])),  # type: ignore[arg-type]
        content=WireContent(stuffed(octets)),
        arrived=ARRIVED,
    )
    return held_mail(arrival, submission, verdict, rules)


def mail(
    to: str, body: str = "Here they are.", subject: str = "Minutes of Tuesday", sender: str = "Anna <anna@example.org>"
) -> bytes:
    """A message as octets, with CRLF line ends."""
    head = f"From: {sender}\nTo: {to}\nSubject: {subject}\nMessage-ID: <minutes@example.org>\n\n"
    return (head + body + "\n").replace("\n", "\r\n").encode("utf-8", "surrogatepass")


def crosspost(**changes: object) -> HeldMail:
    """The plainest held mail: to two lists; `changes` replace fields of what is sealed."""
    return replace(_crosspost(), **changes)  # type: ignore[arg-type]


@cache
def _crosspost() -> HeldMail:
    return held(mail("berlin@lists.example.org, all-members@lists.example.org"), CROSSPOST)


CROSSPOST = ("berlin@lists.example.org", "all-members@lists.example.org")
LETTER = (
    "Have a look.\n\n"
    "---------- Forwarded message ---------\nFrom: Clara <clara@example.org>\nDate: Sat, 21 Nov 2026 at 10:12\n"
    "Subject: our talk\nTo: Ben <ben@example.org>\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)


def notice(of: HeldMail, *, head: Letterhead = HEAD, site: Site = SITE, again: bool = False) -> bytes:
    """The octets of the notice."""
    return compose_notice(head, site, of, TOKEN.lines, language=speaks(), again=again)


def read(octets: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    return message_from_bytes(octets, policy=policy.default)  # type: ignore[return-value]


@lru_cache(64)
def text(octets: bytes) -> str:
    """The text of a mail of the guard's, with LF line ends."""
    part = read(octets).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def shown(octets: bytes) -> str:
    """Header lines as they are, and the decoded text."""
    head = octets.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n", "\n")
    return f"{head}\n\n{text(octets)}"


def finding(row: str, **facts: object) -> Finding:
    return Finding(row, "a check", facts)  # type: ignore[arg-type]


DEADLINE = ARRIVED + timedelta(hours=72)
