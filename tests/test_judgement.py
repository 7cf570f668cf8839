"""What the checks find and what follows: whose word counts, what words may do, and that nothing else matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.accounts import Directory
from smtpguard.checks import CHECKS
from smtpguard.evidence import NOTHING_KNOWN, EarlierMail, EarlierPost, Evidence, KnownText, Thread
from smtpguard.holding import held_mail
from smtpguard.judgement import judge
from smtpguard.lists import Audience, Burst, Exemption, ListKind, MailingList, Manager, OnAlarm, WrongIf, WrongTopic
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.arrival import Arrival
from smtpguard.mail.content import WireContent
from smtpguard.mail.envelope import Envelope, parse_path
from smtpguard.mail.message import UNASKABLE, Automatic, Message, Passage, Submission, Voice
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Verdict

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
NAMES = ("berlin", "berlin-mitte", "press", "treasury")
TOPICS = ("receipt", "invoice", "refund", "budget", "donation", "transfer", "tax", "treasurer")
OTHER_TOPICS = ("meeting", "agenda", "minutes", "street", "park", "district", "mayor", "school")
LETTER = "The invoice, the refund, the tax and the budget. " + "We talked about it for a long time and were happy. " * 4


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


def listed(name: str, **fields: object) -> MailingList:
    at = address(f"{name}@lists.example.org")
    return MailingList(name, at, Manager.MAILMAN3, f"About {name}", "it@example.org", **fields)  # type: ignore[arg-type]


def policy(*lists: MailingList, **more: object) -> Policy:
    return Policy(
        lists=lists,
        desks=frozenset({address("commission@example.org")}),
        list_domains=frozenset({"lists.example.org"}),
        member_domains=frozenset({"example.org"}),
        **more,  # type: ignore[arg-type]
    )


def submission(*to: str, subject: str = "Minutes", body: str = "Here they are.", **more: object) -> Submission:
    recipients = tuple(address(each if "@" in each else f"{each}@lists.example.org") for each in to)
    fields = {name: more.pop(name) for name in ("references", "automatic", "destinations") if name in more}
    message = Message(
        "<m@example.org>",
        subject,
        authors=(address("anna@example.org"),),
        passages=(Passage(Voice.OWN, body),),
        **{"destinations": recipients, **fields},  # type: ignore[arg-type]
    )
    account = Directory(policy(), account_domain="example.org").account("anna", None)
    given = {"account": account, "size": 1000, **more}
    return Submission(id="1", recipients=recipients, message=message, arrived=NOW, **given)  # type: ignore[arg-type]


def rows(verdict: Verdict) -> list[str]:
    return [each.id for each in verdict.findings]


# ---------------------------------------------------------------- a list file says nothing about other lists (T-50)

IDS = st.sampled_from(NAMES)
LOGINS = st.frozensets(st.sampled_from(("anna@example.org", "ben@example.org")))
FIELDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(ListKind),
        "posters": LOGINS,
        "automatic": LOGINS,
        "audience": st.sampled_from(Audience),
        "readers": LOGINS,
        "may_quote_to": st.frozensets(IDS),
        "discussion": st.none() | IDS,
        "includes": st.frozensets(IDS),
        "crosspost_with": st.frozensets(IDS),
        "topics": st.sampled_from(((), TOPICS, OTHER_TOPICS)),
        "tag": st.none() | st.sampled_from(("[berlin]", "Minutes")),
        "wrong_if": st.sampled_from(((), (WrongIf(("minutes", "receipt"), "treasury"),))),
        "exemptions": st.sampled_from(((), (Exemption(date(2026, 12, 6), frozenset(NAMES), "congress"),))),
        "on_alarm": st.none() | st.sampled_from(OnAlarm),
        "expires": st.none() | st.just(timedelta(hours=1)),
        "first_post_asks": st.none() | st.booleans(),
        "burst": st.none() | st.builds(Burst, posts=st.integers(1, 3), asks=st.booleans()),
        "wrong_topic": st.none() | st.sampled_from(WrongTopic),
        "strict": st.none() | st.booleans(),
        "adding_people_asks": st.none() | st.booleans(),
        "encrypted": st.booleans(),
        "say": st.none() | st.just("For minutes use minutes@."),
    }
)
PRIVATE_MAIL = st.builds(
    EarlierMail, st.just(NOW - timedelta(days=1)), own=st.booleans(), author_visible=st.booleans(),
    strangers=st.frozensets(st.sampled_from((address("ben@example.org"), address("clara@elsewhere.example")))),
    subject_same=st.booleans(), answered=st.booleans(),
)  # fmt: skip
KNOWN = st.builds(
    Evidence,
    earlier=st.lists(
        st.builds(
            EarlierPost, st.lists(IDS, min_size=1, max_size=2).map(tuple), st.sampled_from((0.5, 0.9)), st.just(40),
            st.just(NOW - timedelta(days=1)), st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    thread=st.none()
    | st.builds(
        Thread, home=st.none() | IDS, together=st.lists(st.frozensets(IDS), max_size=2).map(tuple),
        narrowed_to=st.none() | IDS, recent=st.integers(0, 9),
    ),
    posted_to=st.none() | st.frozensets(IDS),
    known=st.lists(st.builds(KnownText, st.just(0), st.just(20), st.just("Here"), PRIVATE_MAIL), max_size=2).map(tuple),
    answered=st.lists(PRIVATE_MAIL, max_size=2).map(tuple),
)  # fmt: skip
MAILS = st.builds(
    submission,
    st.sampled_from(("berlin", "ben@example.org")),
    st.sampled_from(("berlin-mitte", "clara@elsewhere.example", "commission@example.org")),
    subject=st.sampled_from(("Minutes", "Re: Minutes", "[berlin] A receipt", "Fwd: Minutes")),
    body=st.sampled_from(("unsubscribe", LETTER, "Here they are.")),
    automatic=st.sampled_from((None, Automatic.AUTO_SUBMITTED)),
)


@given(MAILS, KNOWN, FIELDS, FIELDS)
def test_T_50_no_list_file_changes_what_happens_to_mail_that_touches_only_other_lists_or_persons(
    mail: Submission, known: Evidence, berlin: dict[str, object], stranger: dict[str, object]
) -> None:
    # What berlin's own admin asks about may be found with the words of others: here he asks about none. And a text that
    # went to press before has touched press, as has an answer in a thread that began there.
    berlin = {**berlin, "wrong_topic": WrongTopic.OFF, "wrong_if": ()}
    known = replace(known, earlier=tuple(each for each in known.earlier if "press" not in each.lists))
    if known.thread is not None and known.thread.home == "press":
        known = replace(known, thread=replace(known.thread, home=None))
    rules = (listed("berlin", **berlin), listed("berlin-mitte"), listed("treasury"))

    without = judge(mail, known, policy(*rules, listed("press")))
    with_it = judge(mail, known, policy(*rules, listed("press", **stranger)))

    assert without.action is with_it.action


@given(MAILS, KNOWN, FIELDS)
def test_the_same_mail_gets_the_same_verdict_whatever_the_order_of_the_lists(
    mail: Submission, known: Evidence, berlin: dict[str, object]
) -> None:
    lists = [listed("berlin", **berlin), *map(listed, NAMES[1:])]

    first = judge(mail, known, policy(*lists))

    assert first == judge(mail, known, policy(*lists))
    assert first.action is judge(mail, known, policy(*reversed(lists))).action


@given(st.data(), KNOWN)
def test_no_list_is_found_in_a_part_of_an_address(data: st.DataObject, known: Evidence) -> None:
    rules = policy(*(listed(each, first_post_asks=True) for each in NAMES))
    around = st.text("abcdefghij.", min_size=1, max_size=8)
    name = data.draw(IDS)
    local = data.draw(st.sampled_from((f"{name}{data.draw(around)}", f"{data.draw(around)}{name}")))
    domain = data.draw(st.sampled_from(("lists.example.org", "example.org", "xlists.example.org")))
    mail = submission(f"{local.strip('.')}@{domain}", body="unsubscribe")

    verdict = judge(mail, known, rules)

    if local.strip(".") not in NAMES or domain != "lists.example.org":
        assert (Action.PASS, []) == (verdict.action, rows(verdict))


# ---------------------------------------------------------------- c1a, 7 to 10

ASKS = {"wrong_if": (WrongIf(("minutes",), "treasury"),)}


@pytest.mark.parametrize(
    ("more", "row"),
    [
        ({"automatic": Automatic.AUTO_SUBMITTED}, "90-01"),
        ({"null_sender": True}, "90-02"),
        ({"account": UNASKABLE}, "90-06"),
        ({"size": 1 << 30}, "90-08"),
    ],
)
def test_T_52_words_alone_never_refuse_a_mail_that_cannot_be_asked_about(more: dict[str, object], row: str) -> None:
    rules = policy(listed("berlin", **ASKS), listed("treasury"))

    verdict = judge(submission("berlin", **more), NOTHING_KNOWN, rules)

    assert (Action.PASS, row, ["12-23"]) == (verdict.action, verdict.decided_by, [each.id for each in verdict.observed])


def test_words_beside_another_row_are_told_in_its_refusal() -> None:
    rules = policy(listed("berlin", on_alarm=OnAlarm.REFUSE, **ASKS), listed("press"), listed("treasury"))

    verdict = judge(submission("berlin", "press"), NOTHING_KNOWN, rules)

    assert (Action.REFUSE, "12-02", ["12-02", "12-23"]) == (verdict.action, verdict.decided_by, rows(verdict))


@pytest.mark.parametrize(
    ("berlin", "press", "site", "action"),
    [
        (None, None, OnAlarm.HOLD, Action.HOLD),
        (OnAlarm.OBSERVE, OnAlarm.REFUSE, OnAlarm.HOLD, Action.REFUSE),
        (OnAlarm.OBSERVE, OnAlarm.HOLD, OnAlarm.REFUSE, Action.HOLD),
        (OnAlarm.OBSERVE, None, OnAlarm.REFUSE, Action.REFUSE),
        (OnAlarm.OBSERVE, OnAlarm.OBSERVE, OnAlarm.REFUSE, Action.PASS),
        (None, OnAlarm.HOLD, OnAlarm.OBSERVE, Action.HOLD),
    ],
)
def test_the_strictest_of_the_lists_that_a_finding_names_counts(
    berlin: OnAlarm | None, press: OnAlarm | None, site: OnAlarm, action: Action
) -> None:
    rules = policy(listed("berlin", on_alarm=berlin), listed("press", on_alarm=press), on_alarm=site)

    verdict = judge(submission("berlin", "press"), NOTHING_KNOWN, rules)

    assert action is verdict.action
    assert (verdict.observed != ()) is (action is Action.PASS)


def test_a_finding_without_lists_follows_the_site() -> None:
    crowd = tuple(address(f"m{number}@elsewhere.example") for number in range(30))
    mail = submission("zoe@elsewhere.example", destinations=crowd)

    for site, action in zip(OnAlarm, (Action.PASS, Action.HOLD, Action.REFUSE), strict=True):
        rules = policy(listed("berlin"), on_alarm=site, roster=frozenset({("anna", "example.org")}))
        assert action is judge(mail, NOTHING_KNOWN, rules).action


def test_automatic_mail_that_a_list_has_admitted_may_still_take_no_private_mail_there() -> None:
    rules = policy(listed("berlin", automatic=frozenset({"anna@example.org"}), first_post_asks=True))
    mail = submission("berlin", automatic=Automatic.AUTO_SUBMITTED)
    block = Passage(Voice.FORWARDED, "word " * 20, author=address("clara@example.org"))
    carrying = replace(mail, message=replace(mail.message, passages=(*mail.message.passages, block)))
    first = Evidence(posted_to=frozenset())

    assert Action.PASS is judge(mail, first, rules).action
    assert (Action.REFUSE, ["11-08", "12-25"]) == (
        judge(carrying, first, rules).action, rows(judge(carrying, first, rules)),
    )  # fmt: skip


def test_findings_name_no_list_that_the_mail_does_not_go_to() -> None:
    rules = policy(
        listed("berlin", wrong_topic=WrongTopic.HOLD, topics=OTHER_TOPICS, **ASKS),
        listed("treasury", topics=TOPICS, includes=frozenset({"berlin"})),
        listed("press"),
    )
    known = Evidence(earlier=(EarlierPost(("press",), 1.0, 90, NOW - timedelta(days=1)),))

    verdict = judge(submission("berlin", body=LETTER), known, rules)

    assert ["12-12", "12-23"] == rows(verdict)
    assert {("berlin",)} == {each.lists for each in verdict.findings}


@pytest.mark.parametrize("check", CHECKS)
def test_no_check_sees_anything_in_a_mail_to_a_person_or_to_one_list(check: str) -> None:
    rules = policy(*map(listed, NAMES))

    for to in ("ben@elsewhere.example", "berlin"):
        assert [] == list(CHECKS[check](submission(to, body=LETTER), NOTHING_KNOWN, rules))


# ---------------------------------------------------------------- what a choice can keep


def hold(*to: str, rules: Policy) -> tuple[list[tuple[int, str, bool]], tuple[int | None, ...]]:
    """Numbers, names and which of them is suggested; the number of each recipient."""
    mail = submission(*to)
    paths = [parse_path(f"TO:<{each}>") for each in mail.recipients]
    sender = parse_path("FROM:<anna@example.org>")
    assert sender is not None
    envelope = Envelope(sender, tuple(each for each in paths if each is not None))
    arrival = Arrival("1", "anna", True, envelope, WireContent(b"\r\n"), NOW)
    verdict = judge(mail, NOTHING_KNOWN, rules)
    assert verdict.action is Action.HOLD
    held = held_mail(arrival, mail, verdict, rules)
    return [(each.number, each.id, each.suggested) for each in held.lists], held.recipient_lists


def test_12_28_all_desks_are_one_choice_and_persons_go_with_every_choice() -> None:
    desks = frozenset({address("commission@example.org"), address("office@example.org")})
    rules = replace(policy(listed("berlin")), desks=desks)

    lists, numbers = hold("berlin", "commission@example.org", "ben@example.org", "office@example.org", rules=rules)

    assert [(1, "berlin", False), (2, "commission@example.org, office@example.org", True)] == lists
    assert (1, 2, None, 2) == numbers


def test_12_04_the_umbrella_is_the_suggested_choice() -> None:
    rules = policy(listed("berlin", includes=frozenset({"berlin-mitte"})), listed("berlin-mitte"))

    lists, _ = hold("berlin-mitte", "berlin", rules=rules)

    assert [(1, "berlin-mitte", False), (2, "berlin", True)] == lists
