"""Rule 11 on a real site: what was written to one person is not passed on to others. Who is asked, what the notice
shows, what nobody gets, and what goes out without a question.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clock import later
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Program, Said, by_msmtp, by_smtplib, by_swaks
from tests.e2e.scene import HELD, READ, Scene, once
from tests.e2e.stack import MEMBER_DOMAIN, Letter, Stack
from tests.e2e.writing import letter, new_subject
from tests.passing_on import PARAGRAPHS, POSTED, PRIVATE, Draft, answer, attached, inline, pasted, pasted_in_html

pytestmark = pytest.mark.e2e

ROSTER = "roster.txt"
REMEMBERS_ALL: Mapping[str, Any] = {"remember": "all", "members_informed": "2026-01-01", "roster": ROSTER}
# The guard's own words begin here, and the text is quoted up to its dots.
_BEGINS = re.compile(r'begins: "(.+?)(?: \.\.\.)?"')
SHOWN_FROM = 20  # so far into a passage its shown words may begin


def remembering(stack: Stack, folder: Path, **more: Any) -> Guard:
    """A guard that remembers private mail, for members who know; `changes` among `more` replace keys."""
    names = [f"{name}@{MEMBER_DOMAIN}" for name in stack.members]
    (folder / ROSTER).write_text("\n".join(names) + "\n")
    return Guard(stack, folder, **{**more, "changes": {**REMEMBERS_ALL, **more.get("changes", {})}})


@pytest.fixture
def guard(stack: Stack, tmp_path: Path) -> Iterator[Guard]:
    with remembering(stack, tmp_path) as running:
        yield running


@pytest.fixture
def anna(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


@pytest.fixture
def ben(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard, "ben")


def written(sender: Scene, to: Sequence[str], draft: Draft) -> bytes:
    """The draft as `sender` sends it, whoever gets it besides."""
    member = sender.member
    return draft.octets(
        f"From: {member.name.title()} <{member.address}>",
        f"To: {', '.join(sender.addresses(*to))}",
        f"Date: {formatdate(localtime=True)}",
        f"Message-ID: <{uuid.uuid4().hex}@{MEMBER_DOMAIN}>",
    )


def send(sender: Scene, draft: Draft, *to: str, by: Program = by_smtplib) -> Said:
    return sender.send(written(sender, to, draft), *to, by=by)


def went_out(said: Said) -> bool:
    """True for the mail server's own reply to a mail that it took."""
    return said.code == 250 and "queued as" in said.text


def private_mail(anna: Scene, to: str = "ben", text: str = PRIVATE) -> Letter:
    """A private mail of Anna's, as it lies in the mailbox of the one who got it."""
    subject = new_subject()
    assert went_out(anna.send(letter(anna.member, anna.addresses(to), subject, text), to))
    [got] = anna.stack.wait_for(to, subject=subject)
    return got


def asked(sender: Scene, draft: Draft, *to: str, by: Program = by_smtplib) -> Letter:
    """Send it and see it held; the notice."""
    assert send(sender, draft, *to, by=by) == Said(250, HELD)
    return sender.notice(draft.subject)


def words(notice: Letter) -> str:
    return " ".join(notice.text.split())


def points_at(notice: Letter, text: str) -> bool:
    """True if the passage that the notice shows is the beginning of `text`, or close to it."""
    found = _BEGINS.search(words(notice))
    return found is not None and 0 <= " ".join(text.split()).find(found[1]) <= SHOWN_FROM


def test_a_private_mail_is_not_passed_on_to_a_list_in_any_form(stack: Stack, anna: Scene, ben: Scene) -> None:
    got = private_mail(anna)
    plain = pasted(new_subject(), PARAGRAPHS[1])
    forms: list[tuple[Draft, Program, str]] = [
        (inline(got.content), by_msmtp, PRIVATE),
        (attached(got.content)._replace(subject=f"FW: {got.subject}"), by_swaks, PRIVATE),
        (plain, by_smtplib, PARAGRAPHS[1]),
        (pasted_in_html(new_subject(), PARAGRAPHS[0]), by_smtplib, PARAGRAPHS[0]),
    ]
    for draft, program, passage in forms:
        notice = asked(ben, draft, "berlin", by=program)
        assert re.search(r"to (the list )?berlin \(rule 11\)", words(notice))
        assert points_at(notice, passage), notice.text
        assert "treasurer wants to leave the board after" not in words(notice)  # its first words, and no more of it
        assert notice.text.index("DISCARD") < notice.text.index("SEND")
        assert "ONLY" not in notice.text
    assert "anna" not in ben.notice(plain.subject).text.lower()  # who wrote it is not in the mail, nor in the notice

    for draft, _, _ in forms:
        assert ben.got(draft.subject) == {}
    assert ben.answer(ben.notice(plain.subject), "SEND", by=by_msmtp) == Said(250, READ)
    ben.told("Sent", plain.subject)
    assert ben.counts(plain.subject) == once(stack, "berlin")
    [copy] = ben.got(plain.subject)["clara"]
    assert " ".join(PARAGRAPHS[1].split()) in " ".join(copy.text.split())


def test_an_answer_to_all_does_not_take_a_private_talk_to_a_list(stack: Stack, anna: Scene, ben: Scene) -> None:
    got = private_mail(anna)
    draft = answer(got.content)
    notice = asked(ben, draft, "anna", "brandenburg", by=by_swaks)
    assert re.search(r"to (the list )?brandenburg \(rule 11\)", words(notice))
    assert points_at(notice, PRIVATE), notice.text
    assert ben.got(draft.subject) == {}
    assert ben.answer(notice, "DISCARD") == Said(250, READ)
    ben.told("Thrown away", draft.subject)
    assert ben.got(draft.subject) == {}

    # Nothing is quoted: the thread says that the talk was private.
    other = private_mail(anna)
    draft = answer(other.content, quoting=False)
    notice = asked(ben, draft, "anna", "brandenburg")
    assert "(rule 11)" in words(notice)
    assert ben.got(draft.subject) == {}


def test_what_was_quoted_far_below_counts_as_well(anna: Scene, ben: Scene) -> None:
    # Ben answers, Anna answers that; his next mail carries both below his own words.
    first = private_mail(anna)
    assert went_out(send(ben, answer(first.content, "Thursday is fine, and I bring the drawings along."), "anna"))
    [second] = anna.stack.wait_for("anna", subject=f"Re: {first.subject}")
    assert went_out(send(anna, answer(second.content, "Good."), "ben"))
    third = anna.stack.wait_for("ben", subject=f"Re: {first.subject}")[-1]
    draft = answer(third.content, "Let us ask everybody.")._replace(subject=new_subject(), fields=())
    notice = asked(ben, draft, "all-members")
    assert "(rule 11)" in words(notice)
    assert ben.got(draft.subject) == {}


def test_a_third_person_gets_it_neither_and_the_two_may_write_to_each_other(
    stack: Stack, anna: Scene, ben: Scene
) -> None:
    got = private_mail(anna)
    for draft in (inline(got.content), pasted(new_subject(), PARAGRAPHS[2])):
        notice = asked(ben, draft, "clara")
        assert "clara@example.test (rule 11)" in words(notice)
        assert ben.got(draft.subject) == {}

    back = answer(got.content)
    assert went_out(send(ben, back, "anna"))
    assert ben.counts(back.subject) == {"anna": 1}
    # Clara comes into the talk, and Anna sees it.
    [between] = stack.wait_for("anna", subject=back.subject)
    draft = answer(between.content, "I have asked Clara to come, too.")._replace(subject=f"Re: {got.subject}")
    assert went_out(send(anna, draft, "ben", "clara"))
    assert "clara" in anna.got(draft.subject)


def test_a_list_post_may_be_quoted_and_passed_on(stack: Stack, guard: Guard, anna: Scene, ben: Scene) -> None:
    clara = Scene(stack, guard, "clara")
    subject = new_subject()
    assert went_out(clara.send(letter(clara.member, clara.addresses("berlin"), subject, POSTED), "berlin"))
    post = stack.wait_for("ben", subject=subject)[0]

    reply, forward = answer(post.content), inline(post.content)
    for draft, name in (
        (reply, "berlin"),
        (pasted(new_subject(), POSTED), "berlin"),
        (forward, "all-members"),
        (attached(post.content)._replace(subject=f"FW: {subject}"), "all-members"),
    ):
        assert went_out(send(ben, draft, name)), draft.subject
    assert ben.counts(forward.subject) == once(stack, "all-members")
    # And to a person, from whom else's mouth ever.
    forward = inline(post.content)._replace(subject=f"Fwd: {new_subject()}")
    assert went_out(send(ben, forward, "emil"))
    assert ben.counts(forward.subject) == {"emil": 1}


def test_ones_own_mail_may_be_passed_on(stack: Stack, anna: Scene, ben: Scene) -> None:
    subject = new_subject()
    content = letter(ben.member, ben.addresses("anna"), subject, PRIVATE)
    assert went_out(ben.send(content, "anna"))
    [sent] = stack.wait_for("anna", subject=subject)
    # Who got it is asked, as long as its author keeps it to himself.
    assert send(anna, pasted(new_subject(), PARAGRAPHS[2]), "brandenburg") == Said(250, HELD)

    forms = [
        inline(sent.content),
        attached(sent.content)._replace(subject=f"FW: {subject}"),
        pasted(new_subject(), PARAGRAPHS[0]),
    ]
    for draft in forms:
        assert went_out(send(ben, draft, "berlin")), draft.subject
        assert ben.counts(draft.subject) == once(stack, "berlin")


def test_who_never_got_it_may_write_the_same_words(stack: Stack, guard: Guard, anna: Scene, ben: Scene) -> None:
    private_mail(anna)
    clara = Scene(stack, guard, "clara")
    draft = pasted(new_subject(), PARAGRAPHS[1])
    assert went_out(send(clara, draft, "brandenburg", by=by_swaks))
    assert clara.counts(draft.subject) == once(stack, "brandenburg")


def test_the_author_may_allow_it(stack: Stack, anna: Scene, ben: Scene) -> None:
    allowed = private_mail(anna, text=f"[may be forwarded]\n\n{PRIVATE}")
    draft = inline(allowed.content)
    assert went_out(send(ben, draft, "berlin"))
    assert ben.counts(draft.subject) == once(stack, "berlin")


def test_the_author_may_wish_that_it_stays_between_two_even_where_she_sees_it_go(
    stack: Stack, anna: Scene, ben: Scene
) -> None:
    subject = new_subject()
    content = letter(anna.member, anna.addresses("ben"), subject, PRIVATE, fields=["Sensitivity: Personal"])
    assert went_out(anna.send(content, "ben"))
    [got] = stack.wait_for("ben", subject=subject)
    draft = answer(got.content)
    notice = asked(ben, draft, "anna", "clara")
    assert "(rule 11)" in words(notice)
    assert ben.got(draft.subject) == {}


def test_mail_to_and_from_a_desk_passes_unseen(stack: Stack, tmp_path: Path) -> None:
    changes = {"desks": [f"dora@{MEMBER_DOMAIN}"]}
    with remembering(stack, tmp_path, changes=changes) as guard:
        got = private_mail(Scene(stack, guard))
    before = memory(tmp_path)
    assert any(before.values())

    with remembering(stack, tmp_path, changes=changes) as guard:
        anna, ben, dora = (Scene(stack, guard, name) for name in ("anna", "ben", "dora"))
        drafts = [inline(got.content), pasted(new_subject(), PARAGRAPHS[1])]
        for draft in drafts:
            assert went_out(send(ben, draft, "dora"))
            assert ben.counts(draft.subject) == {"dora": 1}
        both = answer(got.content)
        assert went_out(send(ben, both, "dora", "clara"))  # 11-25: whoever else gets it
        assert ben.counts(both.subject) == {"clara": 1, "dora": 1}
        [complaint] = stack.wait_for("dora", subject=drafts[0].subject)
        onward = inline(complaint.content)
        assert went_out(send(dora, onward, "emil"))  # 11-28
        assert "emil" in dora.got(onward.subject)
        assert went_out(send(anna, pasted(new_subject(), PARAGRAPHS[2]), "dora"))
    assert memory(tmp_path) == before
    assert re.search(r"(?<![-\d])11-\d\d", guard.log()) is None


def memory(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What is remembered, all tables but the figures, which each start seals anew; the guard has ended."""
    connection = sqlite3.connect(f"file:{folder}/state/memory.sqlite3?mode=ro", uri=True)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {each: sorted(connection.execute(f'SELECT * FROM "{each}"'), key=repr) for each in tables}
    finally:
        connection.close()
    del found["figures"]
    return found


def test_remember_threads_knows_who_wrote_to_whom_and_no_words(stack: Stack, tmp_path: Path) -> None:
    with remembering(stack, tmp_path, changes={"remember": "threads"}) as guard:
        anna, ben = Scene(stack, guard), Scene(stack, guard, "ben")
        got = private_mail(anna)

        for draft in (answer(got.content), answer(got.content, quoting=False)._replace(subject=f"RE: {got.subject}")):
            notice = asked(ben, draft, "anna", "brandenburg")
            assert "(rule 11)" in words(notice)
            assert ben.got(draft.subject) == {}

        draft = pasted(new_subject(), PARAGRAPHS[1])
        assert went_out(send(ben, draft, "berlin"))
        assert ben.counts(draft.subject) == once(stack, "berlin")


def test_it_is_known_after_a_restart_and_forgotten_when_its_time_is_over(stack: Stack, tmp_path: Path) -> None:
    with remembering(stack, tmp_path) as guard:
        got = private_mail(Scene(stack, guard))

    with remembering(stack, tmp_path) as guard:
        ben = Scene(stack, guard, "ben")
        for draft in (pasted(new_subject(), PARAGRAPHS[0]), answer(got.content)):
            asked(ben, draft, "brandenburg")
            assert ben.got(draft.subject) == {}

    with remembering(stack, tmp_path, environment=later(timedelta(days=40))) as guard:
        ben = Scene(stack, guard, "ben")
        draft = pasted(new_subject(), PARAGRAPHS[1])
        assert went_out(send(ben, draft, "berlin"))
        assert ben.counts(draft.subject) == once(stack, "berlin")


def test_what_leaves_the_organisation_is_asked_about_even_in_the_open(stack: Stack, anna: Scene, ben: Scene) -> None:
    got = private_mail(anna)
    draft = answer(got.content)
    content = written(ben, ["anna"], draft)
    outside = [*ben.addresses("anna"), "zoe@elsewhere.test"]
    assert by_smtplib(stack, ben.guard.submission, ben.member, outside, content) == Said(250, HELD)
    notice = ben.notice(draft.subject)
    assert "zoe@elsewhere.test" in words(notice)
    assert ben.got(draft.subject) == {}


def test_nothing_of_a_private_mail_is_written_down(stack: Stack, tmp_path: Path) -> None:
    with remembering(stack, tmp_path) as guard:
        anna, ben = Scene(stack, guard), Scene(stack, guard, "ben")
        got = private_mail(anna)
        asked(ben, pasted(new_subject(), PARAGRAPHS[1]), "brandenburg")

    settings = {*(guard.state_dir / "last-good").rglob("*"), guard.state_dir / "status.json"}
    files = [each for each in guard.state_dir.rglob("*") if each.is_file() and each not in settings]
    kept = b"\0".join(each.read_bytes() for each in (*files, tmp_path / "guard.log")).lower()
    kept = kept.replace(b"without rowid", b"")  # the schema's own words
    long_words = {each for each in re.findall(r"[a-z]{6,}", PRIVATE.lower()) if each not in ("friend",)}
    secrets = {*long_words, got.subject, str(got.message["Message-ID"]).strip("<>"), "anna@", "ben@", "brandenburg"}
    assert sorted(each for each in secrets if each.encode() in kept) == []
