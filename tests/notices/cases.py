"""Every mail of the guard's that has a golden file, by the file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from smtpguard.evidence import EarlierMail, EarlierPost, Evidence, KnownText, Thread
from smtpguard.held import Card, HeldMail, State
from smtpguard.lists import Audience, Burst, ListKind, WrongIf, WrongTopic
from smtpguard.notices import compose
from smtpguard.notices.site import Refusal
from smtpguard.policy import Policy
from tests.notices.samples import (
    ARRIVED,
    CROSSPOST,
    DEADLINE,
    HEAD,
    LETTER,
    POLICY,
    SITE,
    address,
    crosspost,
    held,
    mail,
    notice,
    speaks,
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


def _winmail(parts: int = 1) -> bytes:
    """A forward with what Outlook wraps up, so many times."""
    octets = mail("berlin@lists.example.org", subject="Fwd: our talk").partition(b"\r\n\r\n")[0]
    part = "--B\nContent-Type: application/ms-tnef\n\nsome words or other\n"
    body = f"Content-Type: multipart/mixed; boundary=B\n\n{part * parts}--B--\n"
    return octets + b"\r\n" + body.replace("\n", "\r\n").encode()


BERLIN = CROSSPOST[:1]
TWO_FRIENDS = ["ben@elsewhere.example", "dora@elsewhere.example"]
DESK = "commission@example.org"
TOWN = ("meeting", "agenda", "minutes", "street", "park", "district", "mayor", "school")
PRESS = ("interview", "journalist", "press release", "newspaper", "radio", "photo", "spokesperson", "deadline")
LONG = (
    "Dear all,\n\na journalist of the newspaper wants an interview with two or three of us before Friday, and would\n"
    "like to take a photo in front of the hall. Who has time, and who would be glad to do it with me?\n"
)


def _rules(**lists: Mapping[str, object]) -> Policy:
    """The sample lists, with what their files say (`_` stands for `-` in a name)."""
    changed = {name.replace("_", "-"): fields for name, fields in lists.items()}
    return replace(POLICY, lists=tuple(replace(each, **changed.get(each.id, {})) for each in POLICY.lists))


def _answer(thread: Thread, *recipients: str, rules: Policy = POLICY) -> HeldMail:
    octets = mail(", ".join(recipients), subject="Re: Minutes of Tuesday")
    return held(octets, recipients, known=Evidence(thread=thread), rules=rules)


def _to_berlin(
    body: str = "Here they are.", subject: str = "Minutes of Tuesday", known: Evidence | None = None, **berlin: object
) -> HeldMail:
    return held(mail(BERLIN[0], body, subject), BERLIN, rules=_rules(berlin=berlin), known=known or Evidence())


def _crowd() -> HeldMail:
    everybody = ", ".join(f"Member {number} <member{number}@example.org>" for number in range(21))
    return held(mail(f"{BERLIN[0]}, {everybody}"), BERLIN)


def _two_desks() -> HeldMail:
    desks = [DESK, "postmaster@example.org"]
    rules = replace(POLICY, desks=frozenset(map(address, desks)))
    everybody = [*desks, BERLIN[0], "ben@example.org"]
    return held(mail(", ".join(everybody)), everybody, rules=rules)


UMBRELLA: Mapping[str, object] = {"includes": frozenset({"berlin", "press"})}
REPEATED = Evidence((EarlierPost(("all-members",), 0.9, 60, ARRIVED - timedelta(days=2)),))
ASKS_IN_BURST: Mapping[str, object] = {"burst": Burst(asks=True)}
ANNOUNCES: Mapping[str, object] = {
    "kind": ListKind.ANNOUNCE,
    "posters": frozenset({"clara@example.org"}),
    "discussion": "press",
}
RECEIPTS = (WrongIf(("receipt",), "press", "Receipts go to the office, please."),)

REMEMBERED = Evidence(known_since={each.id: ARRIVED - timedelta(days=30) for each in POLICY.lists})
CLOSED_TEXT = Evidence(
    known=(KnownText(1, 17, "Between us", EarlierMail(ARRIVED - timedelta(days=1), list_id="all-members")),)
)
CLOSED = _rules(all_members={"audience": Audience.CLOSED, "readers": frozenset({"anna@example.org"})})
MEMBERS = replace(CLOSED, roster=frozenset({("anna", "example.org"), ("clara", "example.org")}))
LIST_LETTER = (
    "Have a look.\n\n---------- Forwarded message ---------\nFrom: Clara <clara@example.org>\n"
    "Date: Sat, 21 Nov 2026 at 10:12\nSubject: The hall\nTo: all-members@lists.example.org\n\n"
    "The hall is ours from nine on Saturday. Please bring chairs, tables and something to eat for all.\n"
)

QUOTE = (
    "What do you say?\n\nOn Fri, 20 Nov 2026 at 10:12, Clara <clara@example.org> wrote:\n"
    "> Between us, I think the new plan is too expensive. Please keep this to\n> yourself for now.\n"
)
OWN_QUOTE = (
    ">\n> On Thu, 19 Nov 2026 at 09:00, Anna <anna@example.org> wrote:\n"
    ">> I have counted the chairs, and there are not enough of them.\n"
)
BEN, DORA = "ben@example.org", "dora@elsewhere.example"
ROSTER = frozenset({("anna", "example.org"), ("ben", "example.org"), ("clara", "example.org")})


def _private(*recipients: str, body: str = QUOTE, rules: Policy = POLICY, **about: bool) -> HeldMail:
    """Words of a private mail of Clara's, that nobody of `recipients` has had."""
    strangers = frozenset(map(address, recipients))
    clara = EarlierMail(ARRIVED - timedelta(days=2, hours=18), strangers=strangers, **about)
    known = Evidence(known=(KnownText(1, 17, "Between us, I think the ...", clara),))
    octets = mail(", ".join(recipients), body, "Re: our talk")
    return held(octets, recipients, known=known, rules=rules)


def _answered(*recipients: str, body: str = QUOTE) -> HeldMail:
    """An answer to a private mail of Clara's, of which no words are known."""
    known = Evidence(answered=(EarlierMail(ARRIVED - timedelta(days=2, hours=18), subject_same=True),))
    return held(mail(", ".join(recipients), body, "Re: our talk"), recipients, known=known)


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
    "12-02_a_list_that_fits": lambda: notice(
        held(mail(TWO_LISTS), CROSSPOST, rules=_rules(all_members={"topics": ("congress",)}, berlin={"topics": TOWN}))
    ),
    "12-02_another_list_fits": lambda: notice(
        held(
            mail(TWO_LISTS, LONG, "Friday"),
            CROSSPOST,
            rules=_rules(
                berlin={"topics": TOWN},
                all_members={"topics": TOWN},
                press={"topics": PRESS, "say": "For the press, please give a telephone number."},
            ),
        )
    ),
    "12-04": lambda: notice(held(mail(TWO_LISTS), CROSSPOST, rules=_rules(all_members=UMBRELLA))),
    "12-05": lambda: notice(
        held(
            mail("berlin@lists.example.org, press@lists.example.org"),
            ["berlin@lists.example.org", "press@lists.example.org"],
            rules=_rules(all_members=UMBRELLA),
        )
    ),
    "12-08": lambda: notice(_to_berlin(**ANNOUNCES)),
    "12-12": lambda: notice(_to_berlin(known=REPEATED)),
    "12-17": lambda: notice(held(mail(BERLIN[0], LIST_LETTER, "Fwd: The hall"), BERLIN, rules=CLOSED)),
    "12-19": lambda: notice(_answer(Thread(home="berlin"), *CROSSPOST)),
    "12-20": lambda: notice(_answer(Thread(home="all-members"), *BERLIN, rules=CLOSED)),
    "12-22": lambda: notice(_answer(Thread(home="berlin", narrowed_to="berlin"), *CROSSPOST)),
    "12-23": lambda: notice(_to_berlin(subject="A receipt for the hall", wrong_if=RECEIPTS)),
    "12-24": lambda: notice(_to_berlin(body="Please unsubscribe me")),
    "12-25": lambda: notice(_to_berlin(known=Evidence(posted_to=frozenset()), first_post_asks=True)),
    "12-26": lambda: notice(_crowd()),
    "12-27": lambda: notice(_answer(Thread(home="berlin", recent=5), *BERLIN, rules=_rules(berlin=ASKS_IN_BURST))),
    "12-28": lambda: notice(held(mail(f"{DESK}, {BERLIN[0]}"), [DESK, *BERLIN])),
    "12-28_two_desks_and_a_person": lambda: notice(_two_desks()),
    "12-29": lambda: notice(
        held(
            mail(BERLIN[0], LONG, "Friday"),
            BERLIN,
            rules=_rules(berlin={"topics": TOWN, "wrong_topic": WrongTopic.HOLD}, press={"topics": PRESS}),
        )
    ),
    "11-02": lambda: notice(_private(*BERLIN)),
    "11-02_quoted_in_an_answer": lambda: notice(_answered(*BERLIN)),
    "11-02_to_persons": lambda: notice(_private(BEN, DORA)),
    "11-02_to_lists_and_persons": lambda: notice(
        _private(*CROSSPOST, BEN, rules=replace(POLICY, pairs=frozenset({frozenset({"berlin", "all-members"})})))
    ),
    "11-02_and_12-02": lambda: notice(_private(*CROSSPOST)),
    "11-03": lambda: notice(
        _private(BEN, rules=replace(POLICY, adding_people_asks=True), author_visible=True, answered=True)
    ),
    "11-05": lambda: notice(_private(*BERLIN, body=QUOTE + OWN_QUOTE)),
    "11-07": lambda: notice(_answered(*BERLIN, body="Shall we meet on Tuesday?")),
    "11-14": lambda: notice(_private(BEN, no_forward=True)),
    "11-24": lambda: notice(_private(DORA, rules=replace(POLICY, roster=ROSTER))),
    "11-24_beside_a_list": lambda: notice(_private(*BERLIN, DORA, rules=replace(POLICY, roster=ROSTER))),
    "11-08": lambda: notice(held(mail("berlin@lists.example.org", LETTER, "Fwd: our talk"), CROSSPOST[:1])),
    "11-08_to_persons": lambda: notice(_persons()),
    "11-16": lambda: notice(_attached()),
    "11-08_a_list_that_never_had_it": lambda: notice(
        held(mail(BERLIN[0], LETTER.replace("ben@", "press@lists."), "Fwd: our talk"), BERLIN, known=REMEMBERED)
    ),
    "11-09": lambda: notice(held(mail(BERLIN[0], QUOTE, "Re: our talk"), BERLIN, known=REMEMBERED)),
    "11-10": lambda: notice(held(mail(BERLIN[0], QUOTE), BERLIN, rules=_rules(berlin={"strict": True}))),
    "11-11": lambda: notice(held(mail(BERLIN[0], QUOTE), BERLIN, known=CLOSED_TEXT, rules=CLOSED)),
    "11-11_to_an_outsider": lambda: notice(
        held(mail("ben@elsewhere.example", QUOTE), ["ben@elsewhere.example"], known=CLOSED_TEXT, rules=MEMBERS)
    ),
    "11-11_to_a_list_and_outsiders": lambda: notice(
        held(
            mail(f"{BERLIN[0]}, {', '.join(TWO_FRIENDS)}", QUOTE),
            [*BERLIN, *TWO_FRIENDS],
            known=CLOSED_TEXT,
            rules=MEMBERS,
        )
    ),
    "11-18": lambda: notice(held(_winmail(), BERLIN)),
    "11-20": lambda: notice(held(mail(BERLIN[0], "-----BEGIN PGP MESSAGE-----\n\nhQEMA12345\n"), BERLIN)),
    "90-07": lambda: notice(
        held(_winmail(parts=600).replace(b"ms-tnef", b"pdf").replace(b"winmail.dat", b"x"), BERLIN)
    ),
    "90-11": lambda: notice(held(_winmail().replace(b"application/ms-tnef", b"text/plain; charset=x-odd"), BERLIN)),
    "11-08_and_12-02": lambda: notice(held(mail(TWO_LISTS, LETTER, "Fwd: our talk"), CROSSPOST)),
    "11-08_and_12-04": lambda: notice(
        held(mail(TWO_LISTS, LETTER, "Fwd: our talk"), CROSSPOST, rules=_rules(all_members=UMBRELLA))
    ),
    "unexamined": lambda: notice(
        held(mail("berlin@lists.example.org"), ["berlin@lists.example.org"], broken_check=True)
    ),
    "sent": lambda: compose.compose_sent(
        RESULT, SITE, crosspost(), ["berlin@lists.example.org"], ["all-members@lists.example.org"], language=speaks()
    ),
    "sent_in_part_and_perhaps_twice": lambda: compose.compose_sent(
        RESULT,
        SITE,
        crosspost(),
        ["berlin@lists.example.org"],
        [],
        [Refusal("ben@example.org", "550 5.1.1 <ben@example.org>: no such mailbox")],
        language=speaks(),
        interrupted=True,
    ),
    "refused": lambda: compose.compose_refused(
        RESULT,
        SITE,
        crosspost(),
        [Refusal("berlin@lists.example.org", "554 5.7.1 <anna@example.org>: Sender address rejected")],
        language=speaks(),
    ),
    "discarded": lambda: compose.compose_discarded(RESULT, crosspost(), language=speaks()),
    "discarded_after_a_broken_release": lambda: compose.compose_discarded(
        RESULT, crosspost(), language=speaks(), interrupted=True
    ),
    "back": lambda: compose.compose_back(RESULT, crosspost(), mail(TWO_LISTS), language=speaks()),
    "fate_unknown": lambda: compose.compose_unsure(RESULT, crosspost(), language=speaks()),
    "no_session": lambda: compose.compose_no_session(RESULT, crosspost(), language=speaks()),
    "expired": lambda: compose.compose_expired(
        RESULT, SITE, Card(address("anna@example.org"), speaks().code, "<n@check.example.org>", ARRIVED), DEADLINE
    ),
    "expired_after_a_broken_release": lambda: compose.compose_expired(
        RESULT,
        SITE,
        Card(address("anna@example.org"), speaks().code, "<n@check.example.org>", ARRIVED),
        DEADLINE,
        interrupted=True,
    ),
    "help": lambda: compose.compose_help(RESULT, crosspost(), language=speaks()),
    "gone_sent": lambda: compose.compose_gone(RESULT, SITE, State.SENT, ARRIVED, language=speaks()),
    "gone_replaced": lambda: compose.compose_gone(RESULT, SITE, State.REPLACED, ARRIVED, language=speaks()),
    "unreadable_one": lambda: compose.compose_unreadable(RESULT, 1, language=speaks()),
    "unreadable": lambda: compose.compose_unreadable(RESULT, 17, language=speaks()),
}
