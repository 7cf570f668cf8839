"""Every mail of the guard's that has a golden file, by the file's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smtpguard.held import Card, HeldMail, State
from smtpguard.notices import compose
from smtpguard.notices.compose import Refusal
from tests.notices.samples import (
    ARRIVED,
    CROSSPOST,
    DEADLINE,
    HEAD,
    LETTER,
    SITE,
    address,
    crosspost,
    held,
    mail,
    notice,
)

TWO_LISTS = "berlin@lists.example.org, all-members@lists.example.org"
ATTACHED = (
    "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain\n\nHave a look.\n"
    "--B\nContent-Type: message/rfc822\n\n"
    "From: Clara <clara@example.org>\nTo: Ben <ben@example.org>\nSubject: our talk\n"
    "Date: Sat, 21 Nov 2026 10:12:00 +0100\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n--B--\n"
)
RESULT = replace(HEAD, reply_to=None, in_reply_to=None)


def _attached() -> HeldMail:
    octets = mail("berlin@lists.example.org").partition(b"\r\n\r\n")[0]
    return held(octets + b"\r\n" + ATTACHED.replace("\n", "\r\n").encode(), ["berlin@lists.example.org"])


def _persons() -> HeldMail:
    recipients = [f"{each}@elsewhere.example" for each in ("dora", "emil", "fritz", "gerda", "hanna", "ida")]
    return held(mail(", ".join(recipients), LETTER, "Fwd: our talk"), recipients)


CASES: dict[str, Callable[[], bytes]] = {
    "12-02": lambda: notice(held(mail(TWO_LISTS), CROSSPOST)),
    "12-02_with_persons": lambda: notice(
        held(mail(f"{TWO_LISTS}, Ben <ben@example.org>"), [*CROSSPOST, "ben@example.org"])
    ),
    "12-02_split_by_the_program": lambda: notice(held(mail(TWO_LISTS), CROSSPOST[:1])),
    "12-02_three_lists": lambda: notice(
        held(mail(f"{TWO_LISTS}, press@lists.example.org"), [*CROSSPOST, "press@lists.example.org"])
    ),
    "12-02_again": lambda: notice(held(mail(TWO_LISTS), CROSSPOST), again=True),
    "12-10": lambda: notice(held(mail("Ben <ben@example.org>"), ["ben@example.org", "berlin@lists.example.org"])),
    "11-08": lambda: notice(held(mail("berlin@lists.example.org", LETTER, "Fwd: our talk"), CROSSPOST[:1])),
    "11-08_to_persons": lambda: notice(_persons()),
    "11-16": lambda: notice(_attached()),
    "11-08_and_12-02": lambda: notice(held(mail(TWO_LISTS, LETTER, "Fwd: our talk"), CROSSPOST)),
    "unexamined": lambda: notice(
        held(mail("berlin@lists.example.org"), ["berlin@lists.example.org"], broken_check=True)
    ),
    "sent": lambda: compose.compose_sent(
        RESULT, SITE, crosspost(), ["berlin@lists.example.org"], ["all-members@lists.example.org"], language="en"
    ),
    "sent_in_part_and_perhaps_twice": lambda: compose.compose_sent(
        RESULT,
        SITE,
        crosspost(),
        ["berlin@lists.example.org"],
        [],
        [Refusal("ben@example.org", "550 5.1.1 <ben@example.org>: no such mailbox")],
        language="en",
        interrupted=True,
    ),
    "refused": lambda: compose.compose_refused(
        RESULT,
        SITE,
        crosspost(),
        [Refusal("berlin@lists.example.org", "554 5.7.1 <anna@example.org>: Sender address rejected")],
        language="en",
    ),
    "discarded": lambda: compose.compose_discarded(RESULT, crosspost(), language="en"),
    "discarded_after_a_broken_release": lambda: compose.compose_discarded(
        RESULT, crosspost(), language="en", interrupted=True
    ),
    "back": lambda: compose.compose_back(RESULT, crosspost(), mail(TWO_LISTS), language="en"),
    "no_session": lambda: compose.compose_no_session(RESULT, crosspost(), language="en"),
    "expired": lambda: compose.compose_expired(
        RESULT, SITE, Card(address("anna@example.org"), "en", "<n@check.example.org>", ARRIVED), DEADLINE
    ),
    "expired_after_a_broken_release": lambda: compose.compose_expired(
        RESULT,
        SITE,
        Card(address("anna@example.org"), "en", "<n@check.example.org>", ARRIVED),
        DEADLINE,
        interrupted=True,
    ),
    "help": lambda: compose.compose_help(RESULT, crosspost(), language="en"),
    "gone_sent": lambda: compose.compose_gone(RESULT, SITE, State.SENT, ARRIVED, language="en"),
    "gone_replaced": lambda: compose.compose_gone(RESULT, SITE, State.REPLACED, ARRIVED, language="en"),
    "unreadable_one": lambda: compose.compose_unreadable(RESULT, 1, language="en"),
    "unreadable": lambda: compose.compose_unreadable(RESULT, 17, language="en"),
}
