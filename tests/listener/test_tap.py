"""The tap: copies of mail over SMTP and LMTP, learnt or dropped, and nothing ever refused for good (T-15, T-17)."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re

import pytest

from smtpguard import replies
from smtpguard.key_file import KeyFolderError
from smtpguard.listener.options import Protocol, Tls
from smtpguard.mail.content import stuffed
from smtpguard.policy import Remember
from smtpguard.store import StoreError
from tests.logs import caught
from tests.loopback.certificates import Authority, authority
from tests.loopback.tapping import (
    LIST_SERVER,
    MAIL_SERVER,
    POLICY,
    Recorder,
    TapClient,
    address,
    forgetful,
    letter,
    post,
    tap,
)

__all__ = ["authority"]

TAKEN = replies.TAKEN.wire
DESK = "commission@example.test"


# ---------------------------------------------------------------- the dialogue


async def test_over_smtp_a_copy_is_learnt_for_its_author_and_those_who_got_it() -> None:
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test", "anna@example.test")
        assert [TAKEN] == await client.hand_over(letter(body="Once more."), "ben@example.test")

    (message, author, recipients, when), (second, *_) = door.learner.mails
    assert ("About the boat.", "Boat", address("carla@elsewhere.example")) == (
        message.own_text.strip(),
        message.subject,
        author,
    )
    assert (address("ben@example.test"), address("anna@example.test")) == recipients
    assert when.tzinfo is not None
    assert "Once more." == second.own_text.strip()
    assert [] == door.learner.posts


async def test_over_lmtp_each_recipient_gets_a_reply_and_the_copy_is_learnt_once() -> None:
    async with tap(protocol=Protocol.LMTP) as door, door.client() as client:
        said = await client.hand_over(letter(), "ben@example.test", "anna@example.test", "ben@example.test", replies=3)
        assert [TAKEN] * 3 == said
        assert replies.OK.wire == await client.ask(b"NOOP")

    ((_, _, recipients, _),) = door.learner.mails
    assert (address("ben@example.test"), address("anna@example.test")) == recipients


async def test_a_group_of_commands_is_answered_in_order() -> None:
    async with tap() as door, door.client() as client:
        await client.send(b"MAIL FROM:<a@elsewhere.example> SIZE=99\r\nRCPT TO:<ben@example.test>\r\nDATA\r\n")
        assert [replies.SENDER_OK.wire, replies.RECIPIENT_OK.wire, replies.GO_AHEAD.wire] == [
            await client.reply() for _ in range(3)
        ]
        await client.send(stuffed(letter()) + b".\r\nQUIT\r\n")
        assert TAKEN + replies.BYE.wire == await client.rest()
        assert 1 == door.learner.learnt


async def test_no_size_is_offered_for_a_client_would_send_larger_mail_back_itself() -> None:
    async with tap() as door, door.client() as client:
        offers = (await client.ask(b"EHLO mail.example.test")).decode().split()
        assert {"250-PIPELINING", "250-8BITMIME", "250-SMTPUTF8"} <= set(offers)
        assert not [each for each in offers if "SIZE" in each or "DSN" in each or "AUTH" in each]


async def test_a_name_without_a_domain_is_completed_as_the_mail_server_does() -> None:
    async with tap() as door, door.client() as client:
        await client.hand_over(letter(), "ben")
    assert (address("ben@example.test"),) == door.learner.mails[0][2]


async def test_who_wrote_a_mail_with_two_authors_or_none_is_not_guessed() -> None:
    async with tap() as door, door.client() as client:
        await client.hand_over(letter("a@elsewhere.example, b@elsewhere.example"), "ben@example.test")
        await client.hand_over(letter("nobody"), "ben@example.test")
    assert [None, None] == [author for _, author, _, _ in door.learner.mails]


async def test_the_client_may_use_starttls(authority: Authority) -> None:
    async with tap(tls=Tls.STARTTLS, context=authority.server_context()) as door, door.client() as client:
        assert replies.START_TLS.wire == await client.ask(b"STARTTLS")
        await client.start_tls(authority.client_context())
        assert b"451 4.5.1 Send EHLO or HELO first\r\n" == await client.ask(b"MAIL FROM:<a@elsewhere.example>")
        assert b"STARTTLS" not in await client.ask(client.hello)
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
        assert 1 == door.learner.learnt


# ---------------------------------------------------------------- whom it lets in


async def test_only_trusted_networks_are_let_in_and_others_are_put_off() -> None:
    async with tap(trust=(ipaddress.ip_network("127.0.0.1/32"),)) as door:
        async with door.client("127.0.0.9", greeted=False) as stranger:
            await stranger.send(b"EHLO x\r\nMAIL FROM:<a@elsewhere.example>\r\n")
            assert replies.STRANGER_PUT_OFF.wire == await stranger.rest()
        async with door.client() as client:
            assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")


async def test_the_mail_server_has_no_bound_but_that_of_all_connections() -> None:
    async with (
        tap(connections_per_address=1, connections=3) as door,
        door.client(),
        door.client(),
        door.client(),
        door.client(greeted=False) as fourth,
    ):
        assert replies.TOO_MANY_CONNECTIONS.wire == await fourth.rest()


async def test_without_anybody_who_learns_copies_are_taken_all_the_same() -> None:
    async with tap(teaches=False) as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
    assert 0 == door.learner.learnt


@pytest.mark.parametrize("remember", [Remember.NONE, Remember.LISTS])
async def test_nothing_is_learnt_any_more_once_private_mail_shall_not_be_remembered(remember: Remember) -> None:
    async with tap() as door, door.client() as client, door.client(LIST_SERVER) as manager:
        await client.hand_over(letter(), "ben@example.test")
        door.policy = forgetful(POLICY, remember)
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
        assert [TAKEN] == await manager.hand_over(post(), "ben@example.test")
    assert 1 == door.learner.learnt


# ---------------------------------------------------------------- T-15: desks, and the guard itself

UNREAD_ENVELOPES = {
    "to a desk": ("carla@elsewhere.example", [DESK]),
    "to a desk and a person": ("carla@elsewhere.example", ["ben@example.test", DESK]),
    "to a desk spelt otherwise": ("carla@elsewhere.example", ['"Commission"@EXAMPLE.test.']),
    "to a desk without its domain": ("carla@elsewhere.example", ["ben@example.test", "commission"]),
    "to a group with a desk in it": ("carla@elsewhere.example", ["everybody@example.test"]),
    "from a desk": (DESK, ["ben@example.test"]),
    "an answer to the guard": ("anna@example.test", ["mailcheck+CODE@check.example.test"]),
    "a letter to the guard's postmaster": ("anna@example.test", ["postmaster@check.example.test"]),
    "of the guard's domain": ("notices@check.example.test", ["anna@example.test"]),
    "a notice or a bounce": ("", ["anna@example.test"]),
    "from whom, cannot be read": ("@", ["anna@example.test"]),
    "to whom, cannot be read": ("carla@elsewhere.example", ["ben@example.test", "@"]),
}
UNREAD_HEADERS = {
    "desk in Cc": {"Cc": f"The Commission <{DESK}>"},
    "desk in a second To": {"To": "COMMISSION@example.test"},
    "desk as Sender": {"Sender": DESK},
    "desk where it was sent on to": {"Resent_To": DESK},
    "group with a desk in Cc": {"Cc": "everybody@example.test"},
    "guard in Cc": {"Cc": "mailcheck+CODE@check.example.test"},
    "guard as Sender": {"Sender": "Mail check <mailcheck@check.example.test>"},
    "desk behind a header that goes on for ever": {"X_Long": "x" * 1_100_000, "Cc": DESK},
    "desk behind more addresses than are read": {
        "Cc": ", ".join([*(f"member{number}@example.test" for number in range(2000)), DESK])
    },
    "desk in a field that is torn": {"Cc": f'"Ben" ben@example.test, "(" <{DESK}>'},
}


@pytest.mark.parametrize("name", UNREAD_ENVELOPES)
@pytest.mark.parametrize("client_at", [MAIL_SERVER, LIST_SERVER])
async def test_desk_mail_and_the_guard_s_own_is_thrown_away_while_it_comes_in_T_15(
    name: str, client_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, recipients = UNREAD_ENVELOPES[name]

    def nobody_reads(*_: object) -> None:
        raise AssertionError("this is not to be read")

    async with tap() as door, door.client(client_at) as client:
        monkeypatch.setattr("smtpguard.learning.read_header", nobody_reads)
        monkeypatch.setattr("smtpguard.spool.Intake.write", nobody_reads)
        octets = post() if client_at == LIST_SERVER else letter()
        assert [TAKEN] == await client.hand_over(octets, *recipients, sender=sender)
        assert 0 == door.learner.learnt


@pytest.mark.parametrize("name", UNREAD_HEADERS)
@pytest.mark.parametrize("client_at", [MAIL_SERVER, LIST_SERVER])
async def test_what_names_a_desk_in_its_header_is_not_read_T_15(
    name: str, client_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_reads(*_: object) -> None:
        raise AssertionError("this is not to be read")

    async with tap() as door, door.client(client_at) as client:
        monkeypatch.setattr("smtpguard.learning.open_message", nobody_reads)
        octets = (post if client_at == LIST_SERVER else letter)(**UNREAD_HEADERS[name])
        with caught() as log:
            assert [TAKEN] == await client.hand_over(octets, "ben@example.test")
        assert 0 == door.learner.learnt
        assert "fault" not in log.getvalue()


async def test_mail_by_and_to_a_desk_in_from_is_not_learnt_T_15() -> None:
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(f"Us <{DESK}>"), "ben@example.test")
        assert [TAKEN] == await client.hand_over(letter("mailcheck@check.example.test"), "ben@example.test")
    assert 0 == door.learner.learnt


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"X_Autoreply": "yes"},
        {"Content_Type": "multipart/report; boundary=x"},
    ],
)
async def test_automatic_mail_is_taken_and_not_learnt(header: dict[str, str]) -> None:
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(**header), "ben@example.test")
    assert 0 == door.learner.learnt


async def test_a_copy_without_its_recipients_teaches_nothing_about_those_whom_its_header_names() -> None:
    # always_bcc: whoever writes a header decides what stands in it.
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(to="ben@example.test"), "copies@check.example.test")
    assert 0 == door.learner.learnt


# ---------------------------------------------------------------- T-17: list posts


async def test_a_post_is_public_from_the_list_server_s_own_connection_T_17() -> None:
    async with tap() as door, door.client(LIST_SERVER) as manager:
        readers = [
            "ben@example.test",
            "carla@elsewhere.example",
            "press@lists.example.test",
            "posts@check.example.test",
        ]
        assert [TAKEN] == await manager.hand_over(post(), *readers, sender="berlin-bounces@lists.example.test")

    ((list_id, message, known),) = door.learner.posts
    assert ("berlin", "Minutes of Tuesday.") == (list_id, message.own_text.strip())
    assert (address("ben@example.test"), address("carla@elsewhere.example")) == known
    assert [] == door.learner.mails


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"List_Post": "NO"},
        {"List_Id": "<no.list.of.ours>"},
        {"List_Post": "<mailto:other@elsewhere.example>"},
        {"Resent_From": "ben@example.test"},
        {"Received": "from localhost (localhost [127.0.0.2]) by lists.example.test"},
    ],
)
async def test_a_list_id_from_elsewhere_makes_nothing_public_T_17(header: dict[str, str]) -> None:
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(post(**header), "ben@example.test")
    assert 0 == door.learner.learnt


async def test_by_default_no_connection_is_the_list_server_s_T_17() -> None:
    async with tap(list_server=()) as door, door.client(LIST_SERVER) as manager:
        assert [TAKEN] == await manager.hand_over(post(), "ben@example.test")
    assert 0 == door.learner.learnt


@pytest.mark.parametrize(
    "header",
    [
        {"List_Id": "<press.lists.example.test>"},
        {"List_Id": "<other.lists.example.test>", "List_Post": "<mailto:other@lists.example.test>"},
        {"sender": "berlin-owner@lists.example.test"},
        {"sender": "berlin-bounces@lists.example.test"},
        {"Auto_Submitted": "auto-generated"},
        {"X_List_Administrivia": "yes"},
        {"Content_Type": "multipart/report; boundary=x"},
    ],
    ids=["two lists", "no list of ours", "owner", "bounces", "automatic", "administrivia", "report"],
)
async def test_what_the_list_manager_writes_itself_or_nobody_can_place_is_not_public(header: dict[str, str]) -> None:
    async with tap() as door, door.client(LIST_SERVER) as manager:
        assert [TAKEN] == await manager.hand_over(post(**header), "ben@example.test")
    assert 0 == door.learner.learnt


async def test_a_moderator_s_notice_with_the_mail_that_waits_is_not_public() -> None:
    # Mailman 3 gives it a List-Id, and no List-Post.
    octets = post(sender="carla@elsewhere.example").replace(b"List-Post: <mailto:berlin@lists.example.test>\r\n", b"")
    assert b"List-Id" in octets
    async with tap() as door, door.client(LIST_SERVER) as manager:
        assert [TAKEN] == await manager.hand_over(octets, "ben@example.test")
    assert 0 == door.learner.learnt


async def test_a_post_of_a_closed_list_tells_who_reads_it() -> None:
    async with tap() as door, door.client(LIST_SERVER) as manager:
        await manager.hand_over(post("council"), "ben@example.test")
    ((list_id, _, readers),) = door.learner.posts
    assert ("council", (address("ben@example.test"),)) == (list_id, readers)


# ---------------------------------------------------------------- 250 or 4xx


@pytest.mark.parametrize("error", [StoreError("full"), KeyFolderError("gone"), OSError("disk"), TimeoutError()])
async def test_what_cannot_be_written_is_put_off(error: Exception) -> None:
    learner = Recorder()

    async def fail() -> None:
        raise error

    async with tap(learner, protocol=Protocol.LMTP) as door, door.client() as client:
        learner.before = fail
        said = await client.hand_over(letter(), "ben@example.test", "anna@example.test", replies=2)
        assert [replies.COPY_LATER.wire] * 2 == said
        learner.before = None
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
        assert 1 == door.learner.learnt


async def test_a_post_that_cannot_be_written_is_put_off() -> None:
    learner = Recorder()

    async def fail() -> None:
        raise StoreError("full")

    learner.before = fail
    async with tap(learner) as door, door.client(LIST_SERVER) as manager:
        assert [replies.COPY_LATER.wire] == await manager.hand_over(post(), "ben@example.test")


async def test_a_memory_that_never_answers_puts_a_copy_off(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, never = Recorder(), asyncio.Event()

    async def hang() -> None:
        await never.wait()

    learner.before = hang
    monkeypatch.setattr("smtpguard.learning.LEARN_SECONDS", 0.05)
    async with tap(learner) as door, door.client() as client:
        assert [replies.COPY_LATER.wire] == await client.hand_over(letter(), "ben@example.test")


async def test_a_bug_does_not_keep_a_copy_in_the_queue_for_ever() -> None:
    learner = Recorder()

    async def fail() -> None:
        raise ZeroDivisionError("carla@elsewhere.example")

    learner.before = fail
    async with tap(learner) as door, door.client() as client:
        with caught() as log:
            assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
    assert "ZeroDivisionError" in log.getvalue()
    assert "elsewhere" not in log.getvalue()


async def test_a_copy_is_learnt_to_its_end_though_the_client_has_gone() -> None:
    learner, begun, go_on = Recorder(), asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await go_on.wait()

    learner.before = wait
    async with tap(learner) as door:
        async with door.client() as client:
            await client.begin_copy("carla@elsewhere.example", "ben@example.test")
            await client.ask(b"DATA")
            await client.send(stuffed(letter()) + b".\r\n")
            await begun.wait()
            client.reset()
        async with asyncio.timeout(30):
            while door.server.sessions:
                await asyncio.sleep(0)
        go_on.set()
    assert 1 == learner.learnt


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_oversize_copies_are_taken_and_dropped(protocol: Protocol) -> None:
    async with tap(protocol=protocol, message_size=20_000) as door, door.client() as client:
        with caught() as log:
            assert [TAKEN] == await client.hand_over(letter(body="x" * 70 + "\r\n" + "y" * 30_000), "ben@example.test")
            assert [TAKEN] == await client.hand_over(letter(body="x" * 30_000), "ben@example.test")
        assert [TAKEN] == await client.hand_over(letter(), "ben@example.test")
        said = await client.ask(b"MAIL FROM:<carla@elsewhere.example> SIZE=99999999999")
        assert said.startswith(b"250")
    assert 1 == door.learner.learnt
    assert 1 == log.getvalue().count("limits.message_size")


async def test_a_large_copy_is_learnt_from_its_temporary_file() -> None:
    body = "\r\n".join(["A line of the minutes that nobody reads."] * 10_000)
    async with tap() as door, door.client() as client:
        assert [TAKEN] == await client.hand_over(letter(body=body), "ben@example.test")
    assert door.learner.mails[0][0].own_text.startswith("A line of the minutes")


async def test_content_that_could_be_smuggled_is_taken_dropped_and_the_last_of_its_session() -> None:
    async with tap(protocol=Protocol.LMTP) as door, door.client() as client:
        await client.begin_copy("carla@elsewhere.example", "ben@example.test", "anna@example.test")
        await client.ask(b"DATA")
        await client.send(letter() + b"\n.\nMAIL FROM:<evil@elsewhere.example>\r\n.\r\nNOOP\r\n")
        assert TAKEN * 2 == await client.rest()
    assert 0 == door.learner.learnt


async def test_a_copy_that_goes_round_is_taken_and_dropped() -> None:
    async with tap(received_fields=3) as door, door.client() as client:
        octets = b"Received: from a by b; Mon, 16 Nov 2026 10:00:00 +0000\r\n" * 4 + letter()
        assert [TAKEN] == await client.hand_over(octets, "ben@example.test")
    assert 0 == door.learner.learnt


async def test_a_full_disk_puts_a_copy_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with tap() as door, door.client() as client:
        monkeypatch.setattr("smtpguard.spool.Intake.write", full)
        assert [replies.STORAGE_FULL.wire] == await client.hand_over(letter(), "ben@example.test")


async def test_recipients_beyond_the_bound_come_in_a_copy_of_their_own() -> None:
    async with tap(recipients=2) as door, door.client() as client:
        await client.begin_copy("carla@elsewhere.example", "ben@example.test", "anna@example.test")
        assert replies.TOO_MANY_RECIPIENTS.wire == await client.ask(b"RCPT TO:<dora@example.test>")
        await client.ask(b"DATA")
        assert TAKEN == await client.ask(stuffed(letter()) + b".")
    assert 2 == len(door.learner.mails[0][2])


async def test_bounds_of_a_session_hold_and_put_off() -> None:
    async with tap(messages_per_session=1, errors_per_session=2) as door:
        async with door.client() as client:
            await client.hand_over(letter(), "ben@example.test")
            assert replies.TOO_MANY_MESSAGES.wire == await client.ask(b"MAIL FROM:<a@elsewhere.example>")
        async with door.client() as client:
            await client.send(b"NONSENSE\r\n" * 5)
            said = await client.rest()
        assert said.endswith(replies.TOO_MANY_ERRORS.wire)
        assert b"\r\n5" not in b"\r\n" + said


async def test_commands_out_of_order_are_put_off() -> None:
    async with tap() as door, door.client(greeted=False) as client:
        await client.reply()
        asked = [
            b"MAIL FROM:<a@elsewhere.example>", b"EHLO", client.hello, b"RCPT TO:<ben@example.test>", b"DATA",
            b"MAIL TO:<a@elsewhere.example>", b"MAIL FROM:<a@elsewhere.example>", b"MAIL FROM:<a@elsewhere.example>",
            b"RCPT FROM:<ben@example.test>", b"DATA", b"RSET now", b"RSET", b"DATA now", b"AUTH PLAIN x", b"STARTTLS",
            b"LHLO x", b"VRFY ben", b"XCLIENT ADDR=127.0.0.2",
        ]  # fmt: skip
        codes = [int((await client.ask(each))[:3]) for each in asked]
        expected = [451, 451, 250, 451, 451, 451, 250, 451, 451, 451, 451, 250, 451, 451, 451, 451, 252, 451]
        assert expected == codes
        assert 0 == door.learner.learnt


WORDS = (
    b"EHLO", b"HELO", b"LHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"VRFY", b"HELP", b"STARTTLS", b"AUTH",
    b"XCLIENT", b"XFORWARD", b"BDAT 4 LAST", b"GET / HTTP/1.1", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2", b"SEND", b"",
    b"QUIT",
)  # fmt: skip
ARGUMENTS = (
    b"", b" x", b" FROM:<>", b" FROM:<a@b.example>", b" FROM:<a@b.example> SIZE=9 FOO=BAR", b" FROM:a b c", b" TO:<>",
    b" TO:<ben@example.test>", b" TO:<ben@example.test> NOTIFY=NEVER", b" TO:<commission@example.test>", b" TO:",
    b" \xff", b" FROM:<\xc3\xa4@b.example> SMTPUTF8", b" " + b"x" * 3000, b"\0", b"\n",
    b" TO:<" + b"(" * 900 + b"@x>",
)  # fmt: skip
CONTENTS = (letter(), post(), letter(to="commission@example.test"), b"", b"\xff\x00", b"a\nb\r\n", b"x" * 5000)


def dialogue(chance: random.Random, protocol: Protocol) -> bytes:
    """Lines in any order, now and then those of a whole copy."""
    lines = []
    for _ in range(chance.randint(1, 12)):
        if chance.random() < 0.4:
            hello = b"LHLO x" if protocol is Protocol.LMTP else b"EHLO x"
            lines += [
                hello,
                b"MAIL FROM:<a@b.example>",
                *[b"RCPT TO:<ben@example.test>"] * chance.randint(0, 3),
                b"DATA",
            ]
            lines += [chance.choice(CONTENTS), b"."] if chance.random() < 0.8 else []
        else:
            lines.append(chance.choice(WORDS) + chance.choice(ARGUMENTS))
    return b"\r\n".join(lines) + chance.choice((b"\r\n", b"\r\nQUIT\r\n", b""))


async def spoken(client: TapClient, octets: bytes, chance: random.Random) -> bytes:
    """Everything that is answered to `octets`; a line at a time or all at once."""
    said = bytearray()

    async def listen() -> None:
        try:
            while piece := await client.reader.read(65536):
                said.extend(piece)
        except ConnectionResetError:
            said.extend(client.reader._buffer)  # type: ignore[attr-defined]

    ear = asyncio.create_task(listen())
    pieces = [octets] if chance.random() < 0.3 else re.split(rb"(?<=\n)", octets)
    try:
        for piece in pieces:
            before = len(said)
            await client.send(piece)
            # So that DATA is answered before its content comes; whatever is slower than that is another dialogue.
            for _ in range(20):
                await asyncio.sleep(0)
                if len(said) > before:
                    break
        client.writer.write_eof()
    except OSError:
        # The guard has hung up meanwhile.
        pass
    async with asyncio.timeout(30):
        await ear
    return bytes(said)


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_whatever_is_said_nothing_is_refused_for_good_T_17(protocol: Protocol) -> None:
    chance = random.Random(17)
    codes: set[int] = set()
    async with tap(protocol=protocol, message_size=4000) as door:
        for _ in range(400):
            octets = dialogue(chance, protocol)
            async with door.client(chance.choice((MAIL_SERVER, LIST_SERVER)), greeted=False) as client:
                said = await spoken(client, octets, chance)
            found = [int(each[:3]) for each in said.split(b"\r\n") if each]
            assert not [each for each in found if each not in range(200, 500)], octets
            codes.update(found)
        async with door.client() as client:
            assert [TAKEN] == await client.hand_over(letter(body="Still here."), "ben@example.test")
    # It was no monologue.
    assert {220, 250, 354, 451} <= codes
    assert door.learner.learnt > 20


@pytest.mark.parametrize(
    "octets", [b"MAIL FROM:<\0>\r\n", b"A" * 3000, b"NOOP\n", b"GET / HTTP/1.1\r\nHost: x\r\n", b"BDAT 5 LAST\r\nabcde"]
)
async def test_a_client_out_of_step_is_put_off_and_hung_up_on(octets: bytes) -> None:
    async with tap() as door, door.client() as client:
        await client.send(octets)
        assert (await client.rest()).splitlines()[-1].startswith(b"451 4.5.")
