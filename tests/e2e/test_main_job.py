"""The main job with real servers and real mail programs: an ordinary post passes; a mail to two lists, or with somebody
else's private words to a list, waits for its sender's answer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.guard import Guard
from tests.e2e.mail_programs import PROGRAMS, Program, Said, by_msmtp, by_smtplib, by_swaks
from tests.e2e.scene import HELD, READ, Scene, is_as_sent, once
from tests.e2e.stack import Stack
from tests.e2e.writing import forwarded, letter, new_subject

pytestmark = pytest.mark.e2e

# What the programs and servers on the way could want to mend: dots first, blanks last, empty lines, octets above 127.
ODD_BODY = (
    ".\r\n..\r\n.a line that begins with a dot\r\nblanks at the end  \t\r\n\r\n\r\nFrom here on:\r\n"
    "Grüße, \u2009schmal\r\n" + "x" * 990 + "\r\n\r\n"
).encode() + b"Latin-1: \xe4\xf6\xfc\r\n\t\r\n"

PRIVATE = (
    "Between us, I do not think that the treasurer has read a single page of the report, "
    "and I would rather not say so in front of everybody."
)


@pytest.fixture
def anna(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_an_ordinary_post_reaches_the_members_and_is_not_touched(stack: Stack, anna: Scene, program: Program) -> None:
    subject = new_subject()
    sent = letter(
        anna.member, anna.addresses("berlin", "dora"), subject, ODD_BODY,
        fields=("X-Odd:   spaces  and\r\n\ta folded line", "Received: from nowhere", "Bcc-Like: no"),
    )  # fmt: skip

    said = anna.send(sent, "berlin", "dora", by=program)

    assert said.code == 250
    assert "queued as" in said.text  # the mail server's own words
    for name in stack.lists["berlin"].members:
        [post] = stack.wait_for(name, subject=subject)
        assert post.message["List-Id"] == f"<{stack.lists['berlin'].list_id}>"
    [copy] = stack.wait_for("dora", subject=subject)  # who is on no list of it, and gets it from Postfix directly
    assert is_as_sent(copy.content, sent)
    assert anna.counts(subject) == once(stack, "berlin") | {"dora": 1}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_post_to_two_lists_waits_and_only_its_sender_is_told(stack: Stack, anna: Scene, program: Program) -> None:
    subject = new_subject()

    said = anna.send(anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg", by=program)

    assert said == Said(250, HELD)
    notice = anna.notice(subject)
    assert anna.got(subject) == {}
    mentioned = {name for name in stack.members if any(subject in each.subject for each in stack.inbox(name))}
    assert mentioned == {"anna"}
    assert notice.message["To"] == anna.member.address
    assert notice.message["Return-Path"] == "<>"
    for words in ("(rule 12)", "1  berlin ", "2  brandenburg ", "ONLY 2     send it to brandenburg, not to berlin"):
        assert words in notice.text


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_only_2_sends_it_to_the_second_list_alone(stack: Stack, anna: Scene, program: Program) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")

    assert anna.answer(notice, "ONLY 2", by=program) == Said(250, READ)

    assert anna.counts(subject) == once(stack, "brandenburg")
    for [post] in anna.got(subject).values():
        assert post.message["List-Id"] == f"<{stack.lists['brandenburg'].list_id}>"
    result = anna.told("Sent", subject)
    assert "has been sent to brandenburg@" in result.text
    assert "Not sent to berlin@" in result.text
    code = str(notice.message["Reply-To"]).partition("+")[2].partition("@")[0]
    assert code not in stack.mail_log()  # an answer through the guard does not get as far as the mail server


def test_send_by_swaks_sends_it_to_both(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")

    assert anna.answer(notice, "send.", by=by_swaks) == Said(250, READ)

    assert anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}
    assert "Not sent to" not in anna.told("Sent", subject).text


def test_discard_by_msmtp_throws_it_away(anna: Scene) -> None:
    subject = new_subject()
    notice = anna.hold(subject, "berlin", "brandenburg")

    assert anna.answer(notice, "DISCARD", by=by_msmtp) == Said(250, READ)

    anna.told("Thrown away", subject)
    # Another test may have had such a mail sent to her; its subject names no mail.
    before = sum("Already done" in each.subject for each in anna.stack.inbox("anna"))
    assert anna.answer(notice, "SEND").code == 250  # too late: she is told, and nothing is sent
    gone = anna.stack.wait_for("anna", subject="Already done", count=before + 1)[-1]
    assert "it was thrown away" in gone.text
    assert anna.got(subject) == {}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"Plain words.\r\n.\r\n..two dots\r\n  blanks  \r\n\r\n", "message/rfc822"),
        (ODD_BODY, "application/octet-stream"),  # no encoding is allowed around message/rfc822
    ],
    ids=["ascii", "8bit"],
)
def test_back_by_smtplib_returns_the_original_to_the_octet(anna: Scene, body: bytes, kind: str) -> None:
    subject = new_subject()
    sent = letter(anna.member, anna.addresses("berlin", "brandenburg"), subject, body)
    assert anna.send(sent, "berlin", "brandenburg") == Said(250, HELD)

    assert anna.answer(anna.notice(subject), "BACK", by=by_smtplib) == Said(250, READ)

    [returned] = anna.stack.wait_for("anna", subject=f'Your mail "{subject}", back to you')
    [attached] = returned.message.iter_attachments()
    assert attached.get_content_type() == kind
    if kind == "message/rfc822":
        # Between the empty line of the part and the line end that belongs to the boundary (RFC 2046, 5.1.1).
        boundary = b"\r\n--" + returned.message.get_boundary("").encode()
        part = returned.content.split(boundary)[2]
        assert part.partition(b"\r\n\r\n")[2] == sent
    else:
        assert attached.get_content() == sent
    assert anna.got(subject) == {}


def test_a_private_mail_forwarded_to_a_list_waits_and_the_notice_says_where_it_stands(anna: Scene) -> None:
    subject = f"Fwd: {new_subject()}"
    body = forwarded("Dora <dora@example.test>", "Anna <anna@example.test>", PRIVATE)

    said = anna.send(letter(anna.member, anna.addresses("berlin"), subject, body), "berlin")

    assert said == Said(250, HELD)
    notice = anna.notice(subject)
    assert "(rule 11)" in notice.text
    assert 'begins: "Between us, I do not think' in notice.text
    assert "single page" not in notice.text  # the first words, and no more of it
    assert notice.text.index("DISCARD") < notice.text.index("SEND")
    assert "ONLY" not in notice.text
    assert anna.got(subject) == {}
    anna.answer(notice, "DISCARD")
    anna.told("Thrown away", subject)
    assert anna.got(subject) == {}


def test_a_forwarded_list_post_passes(stack: Stack, anna: Scene) -> None:
    subject = f"Fwd: {new_subject()}"
    body = forwarded("Dora <dora@example.test>", "brandenburg@lists.example.test", PRIVATE)

    said = anna.send(letter(anna.member, anna.addresses("berlin"), subject, body), "berlin")

    assert said.code == 250
    assert "queued as" in said.text
    assert anna.counts(subject) == once(stack, "berlin")


def test_a_list_in_bcc_beside_a_visible_person_waits(anna: Scene) -> None:
    subject = new_subject()

    said = anna.send(anna.write(subject, "dora"), "dora", "berlin", by=by_msmtp)

    assert said == Said(250, HELD)
    assert "the list berlin is only in Bcc" in anna.notice(subject).text.replace("\r\n", " ")
    assert anna.got(subject) == {}


def test_two_lists_that_agreed_get_it_at_once(stack: Stack, tmp_path: Path) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, changes={"crosspost_pairs": [["berlin", "brandenburg"]]}) as guard:
        anna = Scene(stack, guard)
        assert "queued as" in anna.send(anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg").text

    assert anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}


def test_a_program_that_lost_the_reply_and_sends_again_gets_no_second_notice(stack: Stack, anna: Scene) -> None:
    subject = new_subject()
    content = anna.write(subject, "berlin", "brandenburg")

    said = [anna.send(content, "berlin", "brandenburg") for _ in range(3)]

    assert said == [Said(250, HELD)] * 3
    notice = anna.notice(subject)
    assert anna.answer(notice, "ONLY 1") == Said(250, READ)
    assert anna.counts(subject) == once(stack, "berlin")
    assert len([each for each in stack.inbox("anna") if f'NOT SENT YET: "{subject}"' in each.subject]) == 1
