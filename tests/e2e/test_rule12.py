"""Rule 12 on a real site: a mail goes to the one list it belongs to. What its sender is asked, what arrives where, and
what is known of earlier mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clock import later
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Said, by_msmtp, by_smtplib, by_swaks
from tests.e2e.scene import HELD, READ, Scene, copies, is_as_sent, once
from tests.e2e.stack import Letter, Stack
from tests.e2e.writing import REPORT, letter, new_subject, reply_to_all, reworded

pytestmark = pytest.mark.e2e

ANNOUNCES: Mapping[str, Any] = {"kind": "announce", "posters": ["emil@example.test"], "discussion": "berlin"}
TWICE = {"anna": 2, "ben": 1, "clara": 2, "dora": 1}  # one post that went to berlin and to brandenburg
# What a program or server on the way could want to mend, as far as a list server leaves it alone.
HEADER = ("From", "To", "Date", "Message-ID")
ODD_BODY = b".\r\n..\r\n.a line that begins with a dot\r\nblanks at the end  \t\r\n\r\n\r\n-- \r\nAnna\r\n"


@pytest.fixture
def guard(stack: Stack, tmp_path: Path) -> Iterator[Guard]:
    """A guard that remembers list posts, with a list for announcements among its lists."""
    with Guard(stack, tmp_path, changes={"remember": "lists"}, lists={"press": ANNOUNCES}) as running:
        yield running


@pytest.fixture
def anna(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


def words(notice: Letter) -> str:
    """What a notice says, line breaks aside."""
    return " ".join(notice.text.split())


def test_a_cross_post_answered_only_2_is_on_the_second_list_as_it_was_written(stack: Stack, anna: Scene) -> None:
    subject, names = new_subject(), ("berlin", "brandenburg", "emil")
    sent = letter(anna.member, anna.addresses(*names), subject, ODD_BODY)
    assert anna.send(sent, *names, by=by_swaks) == Said(250, HELD)
    notice = anna.notice(subject)
    assert "two lists, and most mails belong on one (rule 12)" in words(notice)
    assert anna.got(subject) == {}

    assert anna.answer(notice, "ONLY 2", by=by_msmtp) == Said(250, READ)

    found = anna.got(subject)
    [copy] = found.pop("emil")  # who is no list: the octets that Postfix has had of the guard
    assert is_as_sent(copy.content, sent)
    assert {name: len(each) for name, each in found.items()} == once(stack, "brandenburg")
    for [post] in found.values():
        assert post.message["List-Id"] == f"<{stack.lists['brandenburg'].list_id}>"
        assert [post.message[name] for name in HEADER] == [copy.message[name] for name in HEADER]
        assert post.content.partition(b"\r\n\r\n")[2].startswith(ODD_BODY)  # Mailman's own lines come behind it


def test_an_umbrella_with_a_part_of_it_waits_and_alone_it_passes(stack: Stack, tmp_path: Path) -> None:
    both, parts, alone = new_subject(), new_subject(), new_subject()
    with Guard(stack, tmp_path, lists={"all-members": {"includes": ["berlin", "brandenburg"]}}) as guard:
        anna = Scene(stack, guard)
        notice = anna.hold(both, "berlin", "all-members")
        assert "the list berlin is part of all-members, so that many would get it twice (rule 12)" in words(notice)
        assert "ONLY 2 send it to all-members, not to berlin (suggested)" in words(notice)

        notice = anna.hold(parts, "berlin", "brandenburg")
        assert "the list all-members includes berlin, brandenburg" in words(notice)
        assert "one mail to all-members@lists.example.test reaches them all (rule 12)" in words(notice)

        assert "queued as" in anna.send(anna.write(alone, "all-members"), "all-members").text
    assert anna.counts(alone) == once(stack, "all-members")
    assert anna.got(both) == anna.got(parts) == {}


def test_who_may_not_post_to_an_announcement_list_is_asked_and_send_leaves_it_to_the_list(
    stack: Stack, anna: Scene
) -> None:
    subject, press = new_subject(), stack.lists["press"]
    with stack.mailman.announcing(press, "emil"):
        notice = anna.hold(subject, "press")
        assert "only some may post to the list press; your mail would wait there, or come back" in words(notice)
        assert "For everybody there is the list berlin, berlin@lists.example.test." in words(notice)
        assert "SEND send it just as it is; the list decides" in words(notice)
        assert "ONLY" not in notice.text
        assert anna.got(subject) == {}
        assert stack.mailman.moderated(press) == {}

        assert anna.answer(notice, "SEND") == Said(250, READ)
        anna.told("Sent", subject)
        assert anna.got(subject) == {}  # Mailman keeps it for a moderator
        waiting = stack.mailman.moderated(press)
        assert list(waiting) == [subject]
        stack.mailman.call("POST", waiting[subject], action="accept")
        assert anna.counts(subject) == once(stack, "press")


def test_a_poster_announces_also_with_the_list_for_discussion_and_nobody_else_does(
    stack: Stack, guard: Guard, anna: Scene
) -> None:
    news, both, slip = new_subject(), new_subject(), new_subject()
    emil = Scene(stack, guard, "emil")
    with stack.mailman.announcing(stack.lists["press"], "emil"):
        assert "queued as" in emil.send(emil.write(news, "press"), "press").text
        # From: is anybody's word; who has logged in counts.
        forged = emil.write(slip, "press", "berlin")
        said = by_smtplib(stack, guard.submission, anna.member, anna.addresses("press", "berlin"), forged)
        assert said == Said(250, HELD)
        assert "Only some may post to the list press" in words(anna.notice(slip))
        assert "queued as" in emil.send(emil.write(both, "press", "berlin"), "press", "berlin").text

        assert emil.counts(news) == once(stack, "press")
        assert "emil" in emil.got(both)
        assert emil.got(slip) == {}


def test_on_alarm_refuse_tells_the_mail_program_why_and_nobody_is_asked(stack: Stack, tmp_path: Path) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, lists={"press": {**ANNOUNCES, "on_alarm": "refuse"}}) as guard:
        anna = Scene(stack, guard)
        said = anna.send(anna.write(subject, "press"), "press", by=by_swaks)

    words = "only some may post to the list press; for everybody there is the list berlin (rule 12)"
    assert said == Said(550, f"5.7.1 Not sent: {words}")
    assert anna.got(subject) == {}
    assert not [each for each in stack.inbox("anna") if subject in each.subject]


def test_an_edited_text_is_known_an_hour_later_and_forgotten_when_its_time_is_over(
    stack: Stack, tmp_path: Path
) -> None:
    first, again, other, late = (new_subject() for _ in range(4))
    changes = {"remember": "lists", "defaults": {"window": "2h"}}
    with Guard(stack, tmp_path, changes=changes) as guard:
        anna = Scene(stack, guard)
        sent = letter(anna.member, anna.addresses("berlin"), first, REPORT)
        assert "queued as" in anna.send(sent, "berlin").text

    with Guard(stack, tmp_path, changes=changes, environment=later(timedelta(hours=1))) as guard:
        anna, ben = Scene(stack, guard), Scene(stack, guard, "ben")
        edited = letter(anna.member, anna.addresses("brandenburg"), again, reworded(REPORT))
        assert anna.send(edited, "brandenburg", by=by_msmtp) == Said(250, HELD)
        notice = anna.notice(again)
        assert "you sent nearly the same text to berlin on" in words(notice)
        # Only one's own posts are compared.
        bens = letter(ben.member, ben.addresses("all-members"), other, REPORT)
        assert "queued as" in ben.send(bens, "all-members").text
        assert anna.got(again) == {}
        assert anna.answer(notice, "DISCARD") == Said(250, READ)

    with Guard(stack, tmp_path, changes=changes, environment=later(timedelta(hours=3))) as guard:
        anna = Scene(stack, guard)
        edited = letter(anna.member, anna.addresses("brandenburg"), late, reworded(REPORT))
        assert "queued as" in anna.send(edited, "brandenburg").text

    assert anna.counts(first) == once(stack, "berlin")
    assert anna.counts(late) == once(stack, "brandenburg")
    assert anna.got(again) == {}


def test_a_corrected_copy_to_one_list_ends_the_one_that_waits(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    ended, gone = "Not sent: the earlier copy of your mail", "Already done"
    before = {each: len(copies_of(stack, each)) for each in (ended, gone)}
    names = ("berlin", "brandenburg")
    assert anna.send(letter(anna.member, anna.addresses(*names), subject, REPORT), *names) == Said(250, HELD)
    notice = anna.notice(subject)

    corrected = letter(anna.member, anna.addresses("berlin", "emil"), subject, reworded(REPORT))
    assert "queued as" in anna.send(corrected, "berlin", "emil").text

    told = stack.wait_for("anna", subject=ended, count=before[ended] + 1)[-1]
    assert "You have just sent a corrected copy" in words(told)
    assert "thrown away and was not sent" in words(told)
    assert anna.counts(subject) == once(stack, "berlin") | {"emil": 1}
    assert is_as_sent(anna.got(subject)["emil"][0].content, corrected)

    assert anna.answer(notice, "SEND") == Said(250, READ)
    last = stack.wait_for("anna", subject=gone, count=before[gone] + 1)[-1]
    assert "it was thrown away" in words(last)
    assert anna.counts(subject) == once(stack, "berlin") | {"emil": 1}
    assert len(copies_of(stack, ended)) == before[ended] + 1
    assert len(copies_of(stack, gone)) == before[gone] + 1


def copies_of(stack: Stack, subject: str) -> list[Letter]:
    """Mails of the guard itself with this subject, which name no mail."""
    return [each for each in stack.inbox("anna") if each.subject == subject]


def test_an_answer_to_all_of_a_thread_that_was_narrowed_is_asked_and_of_one_that_was_confirmed_is_not(
    stack: Stack, guard: Guard, anna: Scene
) -> None:
    narrowed, confirmed, apart = new_subject(), new_subject(), new_subject()
    both = ("berlin", "brandenburg")
    assert anna.answer(anna.hold(narrowed, *both), "ONLY 2") == Said(250, READ)
    assert anna.answer(anna.hold(confirmed, *both), "SEND") == Said(250, READ)
    assert "queued as" in anna.send(anna.write(apart, "berlin"), "berlin").text
    clara = Scene(stack, guard, "clara")

    # To: still shows both lists, and so does what "Reply all" makes of it.
    [post] = stack.wait_for("clara", subject=narrowed)
    to, content = reply_to_all(post, clara.member)
    assert to == anna.addresses(*both)
    assert by_smtplib(stack, guard.submission, clara.member, to, content) == Said(250, HELD)
    notice = clara.notice(f"Re: {post.subject}")
    assert "This thread went to the list brandenburg only; your mail program has berlin from" in words(notice)
    assert "ONLY 2 send it to brandenburg, not to berlin (suggested)" in words(notice)
    assert clara.answer(notice, "ONLY 2") == Said(250, READ)

    to, content = reply_to_all(stack.wait_for("clara", subject=confirmed, count=2)[0], clara.member)
    assert "queued as" in by_swaks(stack, guard.submission, clara.member, to, content).text

    [post] = stack.wait_for("clara", subject=apart)
    to, content = reply_to_all(post, clara.member)
    to += anna.addresses("brandenburg")
    assert by_smtplib(stack, guard.submission, clara.member, to, content) == Said(250, HELD)
    notice = clara.notice(f"Re: {post.subject}")
    assert "This thread began on the list berlin, and your answer would take it to brandenburg as well" in words(notice)

    stack.settle()
    answers = {
        subject: {
            name: len([each for each in copies(stack.inbox(name), subject) if "Re: " in each.subject])
            for name in ("anna", "ben", "clara", "dora")
        }
        for subject in (narrowed, confirmed, apart)
    }
    only = {**dict.fromkeys(("anna", "ben", "clara", "dora"), 0), **once(stack, "brandenburg")}
    assert answers == {narrowed: only, confirmed: TWICE, apart: dict.fromkeys(only, 0)}
