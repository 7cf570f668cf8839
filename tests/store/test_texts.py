"""What the memory of private mail and public texts promises, whichever backend keeps it."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from smtpguard.policy import Remember
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader
from smtpguard.store import StoreError
from smtpguard.store.texts import EXAMINED_MAX
from tests.memories import Memory
from tests.store.conftest import HOUR, NOW
from tests.store.remembered import BOX, DAY, OTHER_BOX, mail

FOR_EVER = {"mails": NOW - 999 * DAY, "weeks": "2020-W01", "seasons": "2020-W01"}


def asks(*mailboxes: bytes, **parts: object) -> MailQuestion:
    return MailQuestion(mailboxes or (BOX,), NOW - 30 * DAY, **parts)  # type: ignore[arg-type]


def without_text(each: Glance) -> Glance:
    return each._replace(fingerprints=b"")


# ---------------------------------------------------------------- private mail


async def test_all_of_a_mail_comes_back(memory: Memory) -> None:
    mails = [
        mail(),
        mail(own=False, consent=True, authors=(), audience=(), fingerprints=b""),
        mail(own=False, of_list=True, when=NOW - HOUR),
        mail(own=False, no_forward=True, message=b"", conversation=b"", when=NOW - 2 * HOUR),
    ]
    await memory.remember_texts(mails, {})

    chosen = [each.glance for each in reversed(mails)]
    assert list(await memory.mails(chosen)) == [*reversed(mails)]


async def test_mails_that_are_gone_are_left_out_and_the_others_keep_their_order(memory: Memory) -> None:
    first, gone, last = mail(), mail(when=NOW - 60 * DAY), mail(mailbox=OTHER_BOX)
    await memory.remember_texts([first, gone, last], {})
    await memory.forget_texts(**(FOR_EVER | {"mails": NOW - 40 * DAY}), remember=Remember.ALL)  # type: ignore[arg-type]

    assert list(await memory.mails([last.glance, gone.glance, first.glance])) == [last, first]


async def test_T_11_a_mailbox_has_what_lies_in_it_and_nothing_else(memory: Memory) -> None:
    mine, others = mail(), mail(mailbox=OTHER_BOX)
    await memory.remember_texts([mine, others], {})

    assert list(await memory.glances(asks())) == [mine.glance]
    assert list(await memory.glances(asks(OTHER_BOX, BOX))) == [others.glance, mine.glance]
    assert not await memory.glances(asks(b"unknown-"))
    assert not await memory.glances(MailQuestion((), NOW - DAY))


async def test_the_newest_comes_first_mailbox_by_mailbox_and_what_is_too_old_is_left_out(memory: Memory) -> None:
    mails = [mail(when=NOW - number * DAY) for number in (3, 1, 2, 40)]
    mails += [mail(when=NOW - number * DAY, mailbox=OTHER_BOX) for number in (5, 4)]
    await memory.remember_texts(mails, {})

    found = list(await memory.glances(asks(OTHER_BOX, BOX)))

    assert found == [mails[place].glance for place in (5, 4, 1, 2, 0)]


async def test_without_texts_none_are_read(memory: Memory) -> None:
    kept = mail()
    await memory.remember_texts([kept], {})

    assert list(await memory.glances(asks(texts=False))) == [without_text(kept.glance)]


async def test_only_the_mails_asked_for_by_their_message_ids_come(memory: Memory) -> None:
    mails = [mail(when=NOW - number * HOUR) for number in range(6)]
    mails.append(replace(mails[1], mailbox=OTHER_BOX))
    await memory.remember_texts(mails, {})
    some = (mails[4].message, b"unknown-", mails[1].message)

    assert list(await memory.glances(asks(messages=some))) == [mails[1].glance, mails[4].glance]
    assert (await memory.glances(asks(messages=some, texts=False)))[0] == without_text(mails[1].glance)
    assert not await memory.glances(asks(messages=()))


async def test_no_more_is_looked_at_than_can_be_compared(memory: Memory) -> None:
    many = [mail(when=NOW - number * timedelta(seconds=1)) for number in range(EXAMINED_MAX - 5)]
    more = [mail(when=NOW - number * timedelta(seconds=1), mailbox=OTHER_BOX) for number in range(20)]
    await memory.remember_texts([*many, *more], {})

    found = await memory.glances(asks(BOX, OTHER_BOX))

    assert list(found) == [each.glance for each in (*many, *more[:5])]
    assert len(await memory.glances(asks(OTHER_BOX, BOX))) == EXAMINED_MAX


async def test_a_mail_that_is_there_already_is_left_as_it_is(memory: Memory) -> None:
    first = mail()
    await memory.remember_texts([first], {})
    await memory.remember_texts([replace(first, own=False, fingerprints=b"changed!"), first], {})

    assert list(await memory.mails([first.glance])) == [first]


async def test_a_batch_of_mails_and_texts_is_written_whole_or_not_at_all(memory: Memory) -> None:
    with pytest.raises(StoreError):
        await memory.remember_texts([mail(), mail(fingerprints="no octets")], {"2026-W40": [1, 2]})

    assert not await memory.glances(asks())
    assert await memory.public_among("2026-W40", [1, 2]) == frozenset()


# ---------------------------------------------------------------- public texts


async def test_of_many_fingerprints_those_come_that_a_list_post_of_the_season_had(memory: Memory) -> None:
    chance = random.Random(1)
    numbers = [chance.randrange(-(2**63), 2**63) for _ in range(12_000)]
    await memory.remember_texts([], {"2026-W40": numbers[:6000], "2026-W27": numbers[6000:7000]})
    await memory.remember_texts([], {"2026-W40": numbers[5000:6100]})

    assert await memory.public_among("2026-W40", numbers) == frozenset(numbers[:6100])
    assert await memory.public_among("2026-W27", numbers) == frozenset(numbers[6000:7000])
    assert await memory.public_among("2026-W14", numbers) == frozenset()
    assert await memory.public_among("2026-W40", numbers[:1] * 3) == frozenset(numbers[:1])


# ---------------------------------------------------------------- lists and their readers


async def test_T_13_who_reads_a_list_is_kept_once_and_found_by_any_of_his_marks(memory: Memory) -> None:
    first = Reader("2026-W46", b"anna-w46", b"council-")
    await memory.note_readers([first, first, Reader("2026-W47", b"ben-w47-", b"council-")])
    await memory.note_readers([replace(first, week="2026-W47")])

    assert list(await memory.readers([b"anna-w46", b"anna-w47"])) == [first]
    assert list(await memory.readers([b"carla---"])) == []


async def test_of_a_list_the_earliest_time_stays(memory: Memory) -> None:
    first = KnownList("2026-W40", b"berlin--", NOW)
    await memory.note_known([first, replace(first, since=NOW - HOUR), KnownList("2026-W27", b"berlin--", NOW)])
    await memory.note_known([first, replace(first, since=NOW + HOUR)])

    found = await memory.known_lists()

    assert sorted((each.season, each.since) for each in found) == [("2026-W27", NOW), ("2026-W40", NOW - HOUR)]


# ---------------------------------------------------------------- forgetting


async def forgotten(memory: Memory, remember: Remember = Remember.ALL, **before: object) -> int:
    """How many rows went, in as many calls as it takes."""
    total = 0
    while gone := await memory.forget_texts(**(FOR_EVER | before), remember=remember):  # type: ignore[arg-type]
        total += gone
    return total


async def test_what_is_too_old_or_has_no_key_any_more_is_forgotten(memory: Memory) -> None:
    old, other_week, kept = mail(when=NOW - 40 * DAY), mail(week="2026-W41"), mail()
    await memory.remember_texts([old, other_week, kept], {"2026-W14": [1, 2, 3], "2026-W40": [4]})
    await memory.note_known([KnownList("2026-W14", b"berlin--", NOW), KnownList("2026-W40", b"berlin--", NOW)])
    await memory.note_readers(
        [Reader("2026-W41", b"anna----", b"council-"), Reader("2026-W47", b"ben-----", b"council-")]
    )

    assert await forgotten(memory, mails=NOW - 30 * DAY, weeks="2026-W42", seasons="2026-W27") == 7

    assert list(await memory.glances(MailQuestion((BOX,), NOW - 99 * DAY))) == [kept.glance]
    assert await memory.public_among("2026-W14", [1, 2, 3]) == frozenset()
    assert await memory.public_among("2026-W40", [4]) == frozenset([4])
    assert [each.season for each in await memory.known_lists()] == ["2026-W40"]
    assert len(await memory.readers([b"anna----", b"ben-----"])) == 1


async def test_a_backlog_is_forgotten_in_several_calls(memory: Memory) -> None:
    await memory.remember_texts([], {"2026-W14": range(11_000)})

    assert 0 < await memory.forget_texts(**(FOR_EVER | {"seasons": "2026-W27"}), remember=Remember.ALL) < 11_000  # type: ignore[arg-type]
    assert await forgotten(memory, seasons="2026-W27") < 11_000
    assert await memory.public_among("2026-W14", range(11_000)) == frozenset()


async def test_a_backlog_of_readers_is_forgotten_in_several_calls(memory: Memory) -> None:
    many = [Reader("2026-W41", b"%08d" % number, b"council-") for number in range(11_000)]
    await memory.note_readers(many)

    assert 0 < await memory.forget_texts(**(FOR_EVER | {"weeks": "2026-W42"}), remember=Remember.ALL) < 11_000  # type: ignore[arg-type]
    assert await forgotten(memory, weeks="2026-W42") < 11_000
    assert await memory.readers([many[0].account, many[-1].account]) == ()


@pytest.mark.parametrize("remember", [Remember.ALL, Remember.THREADS, Remember.LISTS])
async def test_what_is_not_to_be_remembered_any_more_goes_whatever_its_time(memory: Memory, remember: Remember) -> None:
    private, of_list = mail(fingerprints=os.urandom(40)), mail(own=False, of_list=True, when=NOW - HOUR)
    await memory.remember_texts([private, of_list], {})

    changed = await forgotten(memory, remember)

    left = {
        Remember.ALL: [private.glance, of_list.glance],
        Remember.THREADS: [without_text(private.glance), of_list.glance],
        Remember.LISTS: [of_list.glance],
    }
    assert list(await memory.glances(asks())) == left[remember]
    assert changed == (remember is not Remember.ALL)


async def test_what_goes_is_not_counted_as_emptied_besides(memory: Memory) -> None:
    await memory.remember_texts([mail(when=NOW - 40 * DAY), mail(week="2026-W41")], {})

    assert await forgotten(memory, Remember.THREADS, mails=NOW - 30 * DAY, weeks="2026-W42") == 2


# ---------------------------------------------------------------- several nodes


async def test_what_one_writes_of_texts_the_other_finds_at_its_next_question(memory: Memory, second: Memory) -> None:
    kept = mail()
    assert not await second.glances(asks())
    await memory.remember_texts([kept], {"2026-W40": [7]})
    await memory.note_readers([Reader("2026-W47", b"anna----", b"council-")])
    await memory.note_known([KnownList("2026-W40", b"berlin--", NOW)])

    assert list(await second.glances(asks())) == [kept.glance]
    assert list(await second.mails([kept.glance])) == [kept]
    assert await second.public_among("2026-W40", [7, 8]) == frozenset([7])
    assert len(await second.readers([b"anna----"])) == len(await second.known_lists()) == 1
