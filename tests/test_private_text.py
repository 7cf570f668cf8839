"""What a finding about private text tells its sender, and what the checks after it need not ask about any more."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from smtpguard.checks.private_text import check, settled_by_memory
from smtpguard.config.texts import shipped
from smtpguard.evidence import NOTHING_KNOWN, EarlierMail, Evidence, KnownText
from smtpguard.judgement import judge
from smtpguard.lists import MailingList, Manager, OnAlarm
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account, ForwardKind, Message, Passage, Protection, Submission, Voice
from smtpguard.notices.reasons import reason
from smtpguard.policy import Policy
from smtpguard.verdict import Action

NIGHT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
WORDS = "the new plan is too expensive and nobody should know about it for now"


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


ANNA, BEN, CLARA, DORA = (address(f"{each}@example.org") for each in ("anna", "ben", "clara", "dora"))
ACCOUNT = Account("anna", ANNA)
BERLIN = MailingList("berlin", address("berlin@lists.example.org"), Manager.MAILMAN3, "Berlin", "it@example.org")
POLICY = Policy(
    lists=(BERLIN,), list_domains=frozenset({"lists.example.org"}), member_domains=frozenset({"example.org"})
)
OWN, QUOTED = Passage(Voice.OWN, "Look."), Passage(Voice.QUOTED, WORDS)
FORWARDED = Passage(Voice.FORWARDED, WORDS, ForwardKind.INLINE, author=CLARA)
PRIVATE = EarlierMail(NIGHT)


def submission(*to: Address, passages: tuple[Passage, ...] = (OWN, QUOTED), **message: object) -> Submission:
    said = Message(passages=passages, destinations=to, **message)  # type: ignore[arg-type]
    return Submission("1", ACCOUNT, to, said, datetime(2026, 11, 22, 18, 0, tzinfo=UTC), 1000)


def text(passage: int = 1, words: int = 12, begins: str = "the new plan ...", mail: EarlierMail = PRIVATE) -> KnownText:
    return KnownText(passage, words, begins, mail)


def test_the_day_of_the_private_mail_is_that_of_the_site() -> None:
    known = Evidence(known=(text(),))
    in_berlin = replace(POLICY, zone=ZoneInfo("Europe/Berlin"))

    days = [next(check(submission(BERLIN.address), known, each)).facts["day"] for each in (POLICY, in_berlin)]

    assert ["2026-11-20", "2026-11-21"] == days


def test_of_several_texts_the_longest_is_shown_and_nobody_who_would_get_one_is_left_out() -> None:
    known = Evidence(
        known=(
            text(0, 9, "some words", EarlierMail(NIGHT, strangers=frozenset({BEN}))),
            text(1, 40, "many words", EarlierMail(NIGHT, strangers=frozenset({DORA}))),
            text(1, 12, "other words", EarlierMail(NIGHT, strangers=frozenset({BEN, CLARA}))),
        )
    )

    (found,) = check(submission(BEN, CLARA, DORA), known, POLICY)

    assert ("11-02", "many words") == (found.id, found.facts["begins"])
    assert {"ben@example.org", "clara@example.org", "dora@example.org"} == set(found.facts["persons"])


def test_11_02_a_list_that_only_observes_does_not_speak_for_persons() -> None:
    known = Evidence(known=(text(mail=EarlierMail(NIGHT, strangers=frozenset({BEN}))),))
    observing = replace(POLICY, lists=(replace(BERLIN, on_alarm=OnAlarm.OBSERVE),))
    mail = submission(BERLIN.address, BEN)

    assert [("berlin",)] == [each.lists for each in judge(mail, known, POLICY).findings]
    verdict = judge(mail, known, observing)
    assert (Action.HOLD, [()]) == (verdict.action, [each.lists for each in verdict.findings])
    assert ["berlin"] == [name for each in verdict.observed for name in each.lists]


def test_a_reason_names_nobody_but_the_recipients_of_the_mail_itself() -> None:
    elsewhere = EarlierMail(NIGHT, strangers=frozenset({BEN, address("secret@elsewhere.example")}))

    (found,) = check(submission(BEN), Evidence(known=(text(mail=elsewhere),)), POLICY)

    assert "secret" not in reason(found.id, found.facts, shipped().of("en"))


def test_T_12_a_thread_link_counts_only_for_those_whose_mail_is_answered() -> None:
    answer = submission(BERLIN.address, references=("<letter@example.org>",), subject="Re: The plan")
    answered = Evidence(answered=(EarlierMail(NIGHT, subject_same=True),))

    assert Action.HOLD is judge(answer, answered, POLICY).action
    assert Action.PASS is judge(answer, NOTHING_KNOWN, POLICY).action


def test_11_20_an_encrypted_answer_stays_off_lists_whatever_its_subject_says() -> None:
    answered = Evidence(answered=(PRIVATE,))
    mail = submission(BERLIN.address, passages=(), subject="...", protection=Protection.ENCRYPTED)

    assert ["11-07"] == [each.id for each in check(mail, answered, POLICY)]
    assert [] == list(check(submission(BEN, passages=(), protection=Protection.ENCRYPTED), answered, POLICY))


def test_what_the_memory_has_settled_need_not_be_asked_about_again() -> None:
    mail = submission(BERLIN.address, passages=(OWN, FORWARDED))
    consent, own = EarlierMail(NIGHT, consent=True), EarlierMail(NIGHT, own=True)

    def settled(*known: KnownText, passage: Passage = FORWARDED, public: frozenset[int] = frozenset()) -> list[int]:
        of = replace(mail, message=replace(mail.message, passages=(OWN, passage)))
        return sorted(settled_by_memory(of, Evidence(known=known, public=public), POLICY))

    assert 14 == FORWARDED.words
    assert [] == settled()
    assert [1] == settled(public=frozenset({1}))
    assert [1] == settled(text(words=3))
    assert [1] == settled(text(words=7, mail=consent))
    assert [] == settled(text(words=6, mail=consent))
    # The block says that Clara wrote it: what is known in it as one's own is what she has answered.
    assert [] == settled(text(words=14, mail=own))
    assert [1] == settled(text(words=14, mail=own), passage=replace(FORWARDED, author=None, author_name="Anna"))


EARLIER = st.builds(
    EarlierMail,
    st.just(NIGHT),
    own=st.booleans(),
    strangers=st.frozensets(st.sampled_from((BEN, CLARA))),
    author_visible=st.booleans(),
    consent=st.booleans(),
    no_forward=st.booleans(),
    subject_same=st.booleans(),
    answered=st.booleans(),
)
KNOWN = st.builds(
    Evidence,
    known=st.lists(
        st.builds(KnownText, st.integers(0, 1), st.integers(8, 20), st.sampled_from(("a", "b")), EARLIER), max_size=4
    ).map(tuple),
    answered=st.lists(EARLIER, max_size=3).map(tuple),
    public=st.frozensets(st.integers(0, 1)),
)
SITES = st.builds(
    lambda roster, asks: replace(POLICY, roster=roster, adding_people_asks=asks),
    st.sampled_from((None, frozenset({ANNA.folded, BEN.folded}))),
    st.booleans(),
)


@given(KNOWN, SITES, st.sampled_from(((BEN,), (BEN, CLARA), (BERLIN.address,), (BERLIN.address, CLARA))))
def test_whatever_is_known_each_row_is_told_once_for_lists_and_persons_and_can_be_put_into_words(
    known: Evidence, site: Policy, to: tuple[Address, ...]
) -> None:
    found = list(check(submission(*to), known, site))

    assert len(found) == len({(each.id, each.lists) for each in found})
    for each in found:
        assert set(each.facts["persons"]) <= {str(one) for one in to}
        assert each.facts["persons"] or each.lists == ("berlin",)
        assert re.search(r"\((rule 11|rules 2 and 11)\)\.", reason(each.id, each.facts, shipped().of("en")))
        assert each.id != "11-24" or (site.roster is not None and each.facts["persons"] == ("clara@example.org",))


@given(KNOWN, SITES)
def test_among_those_who_had_it_and_to_oneself_nothing_is_asked(known: Evidence, site: Policy) -> None:
    same = replace(
        known,
        known=tuple(replace(each, mail=replace(each.mail, strangers=frozenset())) for each in known.known),
        answered=tuple(replace(each, strangers=frozenset()) for each in known.answered),
    )

    assert [] == list(check(submission(BEN, CLARA), same, site))
    assert [] == list(check(submission(ANNA), known, site))


@given(KNOWN, SITES)
def test_what_the_author_asked_not_to_pass_on_is_never_passed_on_unasked(known: Evidence, site: Policy) -> None:
    asked = replace(
        known,
        known=(*known.known, text(1, 30, "c", EarlierMail(NIGHT, consent=True, no_forward=True))),
        public=frozenset(),
    )

    assert "11-14" in [each.id for each in check(submission(BERLIN.address), asked, site)]
