"""Where texts come from: what a member's own mailbox knows, what lists have had, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.evidence import Evidence
from smtpguard.keys import KeyFolder
from smtpguard.lists import Audience, MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account, Automatic, ForwardKind, Message, Passage, Sensitivity, Submission, Voice
from smtpguard.origins import Origins, Traced
from smtpguard.policy import Policy, Remember
from smtpguard.prose import Prose, ProseReader
from smtpguard.retention import KEPT_CHARACTERS_MAX, PENDING_CHARACTERS_MAX, MailToRemember
from smtpguard.tracing import MATCHES_MAX
from tests.letters import LETTERS
from tests.memories import BACKENDS, Memory, Place, memory_database, placed, url_of
from tests.postgresql import postgresql_cluster

__all__ = ["memory_database", "postgresql_cluster"]

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = (
    "Between us, I think the treasurer should have told the board in March, and I do not want to lead this any longer."
)
OTHER = "We met on the way to the station and had a long talk about the garden that his parents left to him last year."


def address(text: str) -> Address:
    found = parse_address(text if "@" in text else f"{text}@example.test")
    assert found is not None
    return found


def a_list(name: str, audience: Audience = Audience.MEMBERS, readers: Iterable[str] = ()) -> MailingList:
    at = address(f"{name}@lists.example.test")
    made = MailingList(name, at, Manager.MAILMAN3, name, "x@example.test", audience=audience)
    return replace(made, readers=frozenset(readers))


POLICY = Policy(
    (a_list("berlin"), a_list("press"), a_list("council", Audience.CLOSED, ["ben@example.test"])),
    desks=frozenset({address("commission")}),
    remember=Remember.ALL,
)


class House:
    """Origins with a clock and a policy that tests set; one mail server behind it takes everything."""

    place: Place

    def __init__(self, folder: Path, store: Memory) -> None:
        self.now = MONDAY
        self.policy = POLICY
        self.folder = folder / "keys"
        self.store = store
        self.posts: set[str] = set()
        self.number = 0
        self.origins = self.begin()

    def begin(self) -> Origins:
        return Origins(
            self.store, KeyFolder(self.folder, "private"), KeyFolder(self.folder, "public"), lambda: self.policy,
            is_post=self._is_post, clock=lambda: self.now, write_seconds=0.01,
        )  # fmt: skip

    async def _is_post(self, message_id: str, _when: datetime) -> bool:
        return message_id in self.posts

    def submission(
        self, sender: str, to: Iterable[str], *passages: Passage | str, header: Iterable[str] | None = None,
        subject: str = "Hello", **parts: object,
    ) -> Submission:  # fmt: skip
        self.number += 1
        recipients = tuple(map(address, to))
        message = Message(
            message_id=f"<{self.number}@x>", subject=subject, authors=(address(sender),),
            destinations=recipients if header is None else tuple(map(address, header)),
            passages=tuple(Passage(Voice.OWN, each) if isinstance(each, str) else each for each in passages),
        )  # fmt: skip
        message = replace(message, **parts)  # type: ignore[arg-type]
        return Submission(str(self.number), Account(sender, address(sender)), recipients, message, self.now, 1000)

    async def trace(self, *parts: object, **more: object) -> Traced:
        return await self.origins.trace(self.submission(*parts, **more), self.policy, Evidence())  # type: ignore[arg-type]

    async def look(self, *parts: object, **more: object) -> Evidence:
        return (await self.trace(*parts, **more)).evidence

    async def send(self, *parts: object, **more: object) -> Submission:
        submission = self.submission(*parts, **more)  # type: ignore[arg-type]
        traced = await self.origins.trace(submission, self.policy, Evidence())
        self.origins.keep(submission, self.policy, traced)
        return submission


@pytest.fixture(params=BACKENDS)
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with placed(tmp_path / "state" / "memory.sqlite3", lambda: MONDAY, url_of(request.param, request)) as place:
        made = House(tmp_path, await place.open())
        made.place = place
        yield made
        await made.origins.settle()


BERLIN = ["berlin@lists.example.test"]


async def test_pasted_words_of_a_private_mail_are_known_to_who_got_it(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    (known,) = (await house.look("ben", BERLIN, "Dear all,", f"Anna says: {PLAN} What now?")).known
    assert known.passage == 1
    assert known.begins.startswith("Between us, I think the treasurer")
    assert known.words >= 20
    assert not known.mail.own
    assert known.mail.when == MONDAY
    assert known.mail.strangers == frozenset()
    assert not known.mail.author_visible


async def test_T_11_nobody_else_is_compared_with_it(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    assert (await house.look("carla", BERLIN, PLAN)).known == ()


async def test_the_author_passes_his_own_words_on(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    (known,) = (await house.look("anna", BERLIN, PLAN)).known
    assert known.mail.own


async def test_who_quotes_the_authors_words_back_does_not_make_them_his(house: House) -> None:
    first = await house.send("anna", ["ben"], PLAN)
    quote = Passage(Voice.QUOTED, PLAN, author=address("anna"))
    await house.send("ben", ["anna"], "I see.", quote, references=(first.message.message_id,))
    (known,) = (await house.look("anna", BERLIN, PLAN)).known
    assert known.mail.own
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert not known.mail.own


async def test_ones_words_that_were_never_seen_stay_ones_own_where_they_are_quoted_back(house: House) -> None:
    quote = Passage(Voice.QUOTED, PLAN, author=address("ben"))
    await house.send("anna", ["ben", "carla"], "I see.", quote, references=("<unseen@x>",))
    assert (await house.look("ben", BERLIN, PLAN)).known == ()
    assert (await house.look("carla", BERLIN, PLAN)).known


async def test_who_sends_ones_own_words_unmarked_does_not_take_them_away(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    await house.send("carla", ["anna"], PLAN)
    assert [each.mail.own for each in (await house.look("anna", BERLIN, PLAN)).known] == [True]


async def test_two_mails_of_one_thread_that_wait_together_are_one_thread(house: House) -> None:
    first = house.submission("anna", ["ben"], PLAN)
    second = house.submission("anna", ["ben"], PLAN, references=(first.message.message_id,))
    for each in (first, second):
        house.origins.keep(each, POLICY, Traced(Evidence()))
    assert len((await house.look("ben", BERLIN, PLAN)).known) == 2


async def test_what_goes_to_an_open_list_as_well_is_no_secret(house: House) -> None:
    await house.send("anna", [*BERLIN, "council@lists.example.test"], PLAN)
    assert (await house.look("ben", ["press@lists.example.test"], PLAN)).known == ()
    assert (await house.look("carla", BERLIN, "So:", Passage(Voice.QUOTED, PLAN))).public == {1}


async def test_T_15_a_desk_within_a_group_leaves_nothing(house: House) -> None:
    house.policy = replace(POLICY, groups={address("office"): (address("commission"), address("ben"))})
    await house.send("anna", ["office", "ben"], PLAN)
    assert (await house.look("ben", BERLIN, PLAN)).known == ()


async def test_what_was_pasted_unmarked_does_not_become_ones_own(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    await house.send("ben", ["carla"], f"Listen. {PLAN}")
    found = (await house.look("ben", BERLIN, PLAN)).known
    assert [each.mail.own for each in found] == [False]


async def test_strangers_are_who_neither_wrote_nor_got_it(house: House) -> None:
    await house.send("anna", ["ben", "carla"], PLAN)
    forwarded = Passage(Voice.FORWARDED, PLAN, ForwardKind.INLINE, author=address("anna"))
    (known,) = (await house.look("ben", ["carla", "dora", "anna"], "See below.", forwarded)).known
    assert known.mail.strangers == {address("dora")}
    assert known.mail.author_visible


async def test_who_got_it_unseen_stays_unseen(house: House) -> None:
    await house.send("anna", ["ben", "dora"], PLAN, header=["ben"])
    (known,) = (await house.look("ben", ["dora"], PLAN)).known
    assert known.mail.strangers == {address("dora")}
    (known,) = (await house.look("anna", ["dora"], PLAN)).known
    assert known.mail.strangers == frozenset()


async def test_list_posts_are_public_wherever_they_stood_before(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    await house.send("anna", BERLIN, PLAN)  # counts at once
    assert (await house.look("ben", ["press@lists.example.test"], PLAN)).known == ()
    quote = Passage(Voice.QUOTED, PLAN, author=address("anna"))
    found = await house.look("ben", BERLIN, "Yes.", quote)
    assert found.public == {1}
    assert found.known == ()
    unknown = Passage(Voice.QUOTED, OTHER, author=address("anna"))
    assert (await house.look("ben", BERLIN, "Yes.", unknown)).public == frozenset()


async def test_a_quote_of_code_is_told_apart_from_one_that_could_be_known(house: House) -> None:
    code = "if (x < 1) return y + 2;\n    z = f(3, 4);\n    w[i++] = q;\n" * 4
    found = await house.look("ben", BERLIN, "Look:", Passage(Voice.QUOTED, code), Passage(Voice.QUOTED, OTHER))
    assert found.unmarked == {1}


async def test_T_13_a_closed_list_is_known_to_its_readers_alone(house: House) -> None:
    await house.send("anna", ["council@lists.example.test"], PLAN)
    await house.origins.settle()
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert known.mail.list_id == "council"
    assert (await house.look("carla", BERLIN, PLAN)).known == ()
    quote = Passage(Voice.QUOTED, PLAN)
    assert (await house.look("carla", BERLIN, quote)).public == frozenset()


async def test_words_from_two_threads_do_not_count(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    again = await house.send("carla", ["ben"], PLAN)
    assert (await house.look("ben", BERLIN, PLAN)).known == ()
    # The same thread, a week later and under another key, is one.
    house.now += 7 * DAY
    first = await house.send("anna", ["dora"], OTHER)
    house.now += 7 * DAY
    await house.send("anna", ["dora"], OTHER, references=(first.message.message_id,))
    assert len((await house.look("dora", BERLIN, OTHER)).known) == 2
    assert again.message.message_id is not None


async def test_stock_phrases_prove_nothing(house: House) -> None:
    phrase = "our office on the second floor is open from nine to five, and we are always glad to help you"
    house.policy = replace(POLICY, stock=(phrase,))
    await house.send("anna", ["ben"], phrase)
    assert (await house.look("ben", BERLIN, phrase)).known == ()


async def test_answers_are_known_by_their_header_to_participants_alone(house: House) -> None:
    first = await house.send("anna", ["ben"], "ok", subject="The keys")
    answer = {"references": (first.message.message_id,), "subject": "Re: The keys"}
    (mail,) = (await house.look("ben", BERLIN, "Fine.", **answer)).answered
    assert mail.subject_same
    assert mail.when == MONDAY
    assert (await house.look("carla", BERLIN, "Fine.", **answer)).answered == ()  # T-12
    assert (await house.look("anna", BERLIN, "Fine.", **answer)).answered == ()
    (mail,) = (await house.look("ben", BERLIN, "Fine.", **{**answer, "subject": "Summer"})).answered
    assert not mail.subject_same


async def test_a_phrase_that_everybody_writes_does_not_hide_the_mail_that_was_copied(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    for _ in range(MATCHES_MAX + 5):
        house.now += timedelta(minutes=1)
        await house.send("carla", ["ben"], "whoever sees the caretaker shall ask him for the other set of keys")
    text = f"{PLAN} And whoever sees the caretaker shall ask him for the other set of keys."
    (known,) = (await house.look("ben", BERLIN, text)).known
    assert known.begins.startswith("Between us")


async def test_a_little_of_a_letter_that_lists_have_had_does_not_make_it_public(house: House) -> None:
    await house.send("anna", BERLIN, "How is it going with the boat and the roof of the house?")
    letter = "How is it going? 0151 5550100, Ben"
    found = await house.look("ben", BERLIN, Passage(Voice.FORWARDED, letter, ForwardKind.INLINE))
    assert found.public == frozenset()


async def test_more_mails_can_be_answered_than_are_looked_at(house: House) -> None:
    sent = [await house.send("anna", ["ben"], "ok") for _ in range(MATCHES_MAX + 2)]
    references = tuple(each.message.message_id for each in sent)
    assert len((await house.look("ben", BERLIN, PLAN, references=references)).answered) == MATCHES_MAX


async def test_to_a_person_a_quoted_post_is_public_where_a_private_mail_is_answered(house: House) -> None:
    await house.send("anna", BERLIN, OTHER)
    first = await house.send("anna", ["ben"], "Have you seen this?")
    answer = {"references": (first.message.message_id,)}
    found = await house.look("ben", ["carla"], "Yes.", Passage(Voice.QUOTED, OTHER), **answer)
    assert found.public == {1}


async def test_T_12_a_message_id_keeps_its_first_meaning(house: House) -> None:
    await house.send("carla", ["ben"], OTHER, message_id="<redirected@x>", resent=True)
    assert (await house.look("ben", BERLIN, "Yes.", references=("<redirected@x>",))).answered == ()
    house.posts.add("<post@x>")
    await house.send("carla", ["ben"], OTHER, message_id="<post@x>")
    assert (await house.look("ben", BERLIN, "Yes.", references=("<post@x>",))).answered == ()


async def test_outlooks_thread_counts_where_nothing_else_is_there(house: House) -> None:
    await house.send("anna", ["ben"], "ok", conversation="01d9" * 11)
    assert (await house.look("ben", BERLIN, "Fine.", conversation="01d9" * 11)).answered
    assert not (await house.look("ben", BERLIN, "Fine.", conversation="01d9" * 11, references=("<a@x>",))).answered


@pytest.mark.parametrize(
    ("to", "parts"),
    [
        (["ben", "commission"], {}),
        (["ben"], {"header": ["ben", "commission"]}),
        (["ben"], {"header": ["ben", "berlin@lists.example.test"]}),
        ([f"person{number}" for number in range(11)], {}),
        (["ben"], {"automatic": Automatic.LIST_ID}),
        (["ben"], {"report": True}),
        (["berlin-request@lists.example.test"], {}),
        (["anna"], {}),
    ],
    ids=["desk", "desk in the header", "copy of a post", "circular", "automatic", "report", "machine", "oneself"],
)
async def test_what_is_not_private_is_not_kept(house: House, to: list[str], parts: dict[str, object]) -> None:
    await house.send("anna", to, PLAN, **parts)
    await house.origins.settle()
    for each in {*to, "ben", "person1"}:
        if each != "anna" and "lists" not in each and each != "commission":
            assert (await house.look(each, BERLIN, PLAN)).known == ()


async def test_T_15_a_desk_leaves_nothing(house: House) -> None:
    await house.send("commission", ["ben"], PLAN)
    await house.send("anna", ["commission"], PLAN)
    await house.origins.settle()
    assert (await house.look("ben", BERLIN, PLAN)).known == ()
    assert (await house.look("anna", BERLIN, PLAN)).known == ()
    assert (await house.look("commission", ["ben"], PLAN)).known == ()


async def test_what_the_author_said_of_passing_it_on_is_kept(house: House) -> None:
    await house.send("anna", ["ben"], f"{PLAN}\n[may be forwarded]")
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert known.mail.consent
    await house.send("anna", ["carla"], PLAN, sensitivity=Sensitivity.PRIVATE)
    (known,) = (await house.look("carla", BERLIN, f"{PLAN}\n[may be forwarded]")).known
    assert known.mail.no_forward
    assert not known.mail.consent  # the copy's mark is not its author's
    await house.send("anna", ["dora"], PLAN, subject="Budget [please do not forward]")
    (known,) = (await house.look("dora", BERLIN, PLAN)).known
    assert known.mail.no_forward


async def test_private_mail_is_forgotten_with_its_key_and_posts_within_a_year(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    await house.send("anna", BERLIN, OTHER)
    await house.origins.settle()
    quote = Passage(Voice.QUOTED, OTHER)
    house.now += 29 * DAY
    await house.origins.forget()
    assert (await house.look("ben", BERLIN, PLAN)).known
    house.now += 9 * DAY
    await house.origins.forget()
    assert not (await house.look("ben", BERLIN, PLAN)).known
    assert not list(house.folder.glob("private-2026-W47.key"))
    assert (await house.look("ben", BERLIN, quote)).public
    house.now += 330 * DAY
    await house.origins.forget()
    assert not (await house.look("ben", BERLIN, quote)).public
    assert not list(house.folder.glob("public-2026-*.key"))


@pytest.mark.parametrize("less", [Remember.THREADS, Remember.LISTS, Remember.NONE])
async def test_less_memory_counts_at_once_for_what_lies_there(house: House, less: Remember) -> None:
    first = await house.send("anna", ["ben"], PLAN)
    await house.send("anna", BERLIN, OTHER)
    await house.origins.settle()
    house.policy = replace(POLICY, remember=less)
    await house.origins.sweep()
    house.policy = POLICY
    found = await house.look("ben", BERLIN, PLAN, references=(first.message.message_id,))
    assert found.known == ()
    assert bool(found.answered) is (less is Remember.THREADS)
    public = (await house.look("ben", BERLIN, Passage(Voice.QUOTED, OTHER))).public
    assert bool(public) is (less is not Remember.NONE)


async def test_lists_are_known_since_they_are_remembered(house: House) -> None:
    assert (await house.look("ben", BERLIN, "Hello")).known_since == dict.fromkeys(
        ("berlin", "press", "council"), MONDAY
    )
    house.now += DAY
    house.policy = replace(POLICY, lists=(*POLICY.lists, a_list("new")))
    since = (await house.look("ben", BERLIN, "Hello")).known_since
    assert since["berlin"] == MONDAY
    assert since["new"] == MONDAY + DAY
    for days in (100, 200, 300):
        house.now = MONDAY + days * DAY
        house.origins = house.begin()
        await house.origins.forget()
        assert (await house.look("ben", BERLIN, "Hello")).known_since["berlin"] == MONDAY
    # In the end the season of the first day and its key are gone, and with them its posts.
    house.now = MONDAY + 420 * DAY
    await house.origins.forget()
    assert not (house.folder / "public-2026-W40.key").exists()
    since = (await house.look("ben", BERLIN, "Hello")).known_since
    assert since["berlin"] == datetime(2027, 1, 4, tzinfo=UTC)  # 2027-W01


async def test_a_closed_list_is_known_as_long_as_its_posts_are_kept(house: House) -> None:
    await house.look("ben", BERLIN, "Hello")
    house.now = MONDAY + 40 * DAY
    assert (await house.look("ben", BERLIN, "Hello")).known_since["council"] == MONDAY + 10 * DAY


async def test_a_letter_with_a_large_file_of_text_is_kept_like_any_other(house: House) -> None:
    table = "17;289;a street;a town\n" * (PENDING_CHARACTERS_MAX // 20)
    await house.send("anna", ["ben"], PLAN, table)
    await house.send("anna", ["clara"], OTHER, table)

    assert (await house.look("ben", BERLIN, PLAN)).known
    assert (await house.look("clara", BERLIN, OTHER)).known
    # As long as the store refuses, what waits is bounded in spite of it.
    waits = MailToRemember(house.submission("anna", ["ben"], *[table] * 9).message, "", MONDAY, (), POLICY)
    assert waits.as_far_as_read().characters <= KEPT_CHARACTERS_MAX


async def test_a_letter_takes_little_room_in_each_mailbox(house: House) -> None:
    await house.send("anna", ["ben"], LETTERS["en"])
    await house.origins.settle()
    (kept,) = await house.place.rows("SELECT length(fingerprints) FROM mails WHERE flags = 0")
    assert 0 < kept[0] <= 3200


async def test_nothing_of_it_can_be_read_without_the_keys(house: House) -> None:
    await house.send("anna", ["ben"], PLAN, subject="The treasurer")
    await house.origins.settle()
    await house.store.tidy()
    octets = (await house.place.octets()).lower()
    assert b"2026-w47" in octets
    for word in (b"treasurer", b"anna", b"ben@", b"example.test", b"board", b"@x"):
        assert word not in octets


async def test_what_came_in_from_outside_is_known_to_who_got_it(house: House) -> None:
    message = house.submission("stranger@elsewhere.test", ["ben"], PLAN).message
    await house.origins.learn_mail(message, address("stranger@elsewhere.test"), [address("ben")], house.now)
    (known,) = (await house.look("ben", BERLIN, PLAN)).known
    assert not known.mail.own
    desk = house.submission("commission", ["carla"], OTHER).message
    await house.origins.learn_mail(desk, address("commission"), [address("carla")], house.now)
    assert (await house.look("carla", BERLIN, OTHER)).known == ()  # T-15


async def test_posts_learnt_from_their_list_are_public(house: House) -> None:
    message = house.submission("stranger@elsewhere.test", BERLIN, PLAN).message
    await house.origins.learn_post("berlin", message, house.now)
    assert (await house.look("ben", BERLIN, "So:", Passage(Voice.QUOTED, PLAN))).public == {1}
    closed = house.submission("anna", ["council@lists.example.test"], OTHER).message
    await house.origins.learn_post("council", closed, house.now)
    assert (await house.look("ben", BERLIN, OTHER)).known[0].mail.list_id == "council"


async def test_T_13_who_gets_a_closed_lists_posts_reads_it(house: House) -> None:
    post = house.submission("anna", ["council@lists.example.test"], PLAN).message
    await house.origins.learn_post("council", post, house.now, [address("dora")])
    found = await house.look("dora", BERLIN, PLAN)
    assert found.reads == {"council"}
    assert found.known[0].mail.list_id == "council"
    assert (await house.look("carla", BERLIN, PLAN)).known == ()
    house.now += 38 * DAY
    await house.origins.forget()
    assert (await house.look("dora", BERLIN, PLAN)).reads == frozenset()


async def test_trouble_of_the_store_is_told_and_nothing_is_raised(house: House) -> None:
    await house.store.close()
    traced = await house.trace("ben", BERLIN, PLAN)
    assert not traced.complete
    assert traced.evidence == Evidence()


async def test_a_bug_holds_up_neither_other_mails_nor_is_it_taken_for_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = ProseReader.read

    def failing(self: ProseReader, text: str, *, stored: bool = False) -> Prose:
        if OTHER in text:
            raise ZeroDivisionError
        return read(self, text, stored=stored)

    monkeypatch.setattr(ProseReader, "read", failing)
    await house.send("anna", ["ben"], OTHER)
    await house.send("anna", ["ben"], PLAN)
    await house.origins.settle()
    assert (await house.look("ben", BERLIN, PLAN)).known
    monkeypatch.setattr(ProseReader, "read_together", failing)
    traced = await house.trace("ben", BERLIN, PLAN)
    assert traced.failed


async def test_what_waits_may_be_dropped_while_it_is_written(house: House) -> None:
    await house.send("anna", ["ben"], PLAN)
    writing = asyncio.create_task(house.origins.retention.write_pending())
    await asyncio.sleep(0)
    house.origins.retention.drop()
    await house.send("anna", ["carla"], OTHER)
    await writing
    assert (await house.look("carla", BERLIN, OTHER)).known
