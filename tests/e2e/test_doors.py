"""What the guard leaves to the mail server, what it refuses by itself, and what it never looks at."""

from __future__ import annotations

import re
import smtplib
from base64 import b64encode
from pathlib import Path

import pytest

from tests.e2e import at_home
from tests.e2e.at_home import Errand, Program
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import PATIENCE, Place, Said, session, submit
from tests.e2e.scene import HELD, Scene, is_as_sent, once
from tests.e2e.stack import GUARD_ADDRESS, GUARD_USER, LIST_DOMAIN, Stack
from tests.e2e.wire import Wire, queued
from tests.e2e.writing import TEXT, forwarded, letter, new_subject
from tests.ports import HOST, free_port

pytestmark = pytest.mark.e2e

PRIVATE = "I would rather not say so in front of everybody, but the treasurer has not read the report at all."
# Postfix's log: a failed login; and at the end of a session, that one of two was right.
FAILED = "authentication failed"
ONE_OF_TWO = " auth=1/2 "


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_gets_postfix_own_words_after_one_try(stack: Stack, guard: Guard, mechanism: str) -> None:
    before = stack.mail_log().count(ONE_OF_TWO)
    direct = _wrong_password(stack, stack.submission, mechanism)
    stack.wait_for_log(ONE_OF_TWO, before + 1)
    failed = stack.mail_log().count(FAILED)

    through_the_guard = _wrong_password(stack, guard.submission, mechanism)

    assert direct.code == 535
    assert through_the_guard == direct
    stack.wait_for_log(ONE_OF_TWO, before + 2)
    assert stack.mail_log().count(FAILED) == failed + 1


def _wrong_password(stack: Stack, place: Place, mechanism: str) -> Said:
    """The reply to a wrong password, which must not end the session: the right one is taken after it."""
    anna = stack.members["anna"]
    with session(stack, place) as client:
        if mechanism == "PLAIN":
            code, text = client.docmd("AUTH", "PLAIN " + _coded(f"\0{anna.login}\0no password of hers"))
        else:
            assert client.docmd("AUTH", "LOGIN")[0] == 334
            assert client.docmd(_coded(anna.login))[0] == 334
            code, text = client.docmd(_coded("no password of hers"))
        client.login(anna.login, anna.password)
    return Said(code, text.decode())


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def test_anothers_address_gets_postfix_own_553_at_rcpt(stack: Stack, guard: Guard) -> None:
    anna, ben = stack.members["anna"], stack.members["ben"]
    said = []
    for place in (stack.submission, guard.submission):
        with session(stack, place, anna) as client:
            sender = client.mail(ben.address)
            said.append((sender, client.rcpt(stack.lists["berlin"].address)))

    direct, through_the_guard = said
    assert through_the_guard == direct
    assert direct[0][0] == 250
    assert direct[1][0] == 553


def test_an_unknown_list_and_an_unknown_member_get_postfix_own_550(stack: Stack, guard: Guard) -> None:
    for address in (f"nowhere@{LIST_DOMAIN}", "nobody@example.test"):
        said = []
        for place in (stack.submission, guard.submission):
            with session(stack, place, stack.members["anna"]) as client:
                client.mail(stack.members["anna"].address)
                said.append(client.rcpt(address))
        assert said[0] == said[1]
        assert said[0][0] == 550


@pytest.mark.parametrize("sender", ["anna@example.test", GUARD_ADDRESS, "stranger@elsewhere.test", ""])
def test_nobody_sends_through_the_guard_without_a_login(stack: Stack, guard: Guard, sender: str) -> None:
    outside = "somebody@elsewhere.test"
    with smtplib.SMTP(*guard.submission, timeout=PATIENCE) as client:
        client.ehlo()
        assert client.mail(sender)[0] == 530
    with session(stack, guard.submission) as client:
        code, text = client.mail(sender)
        assert (code, text[:6]) == (530, b"5.7.0 ")
        for address in (outside, stack.lists["berlin"].address, GUARD_ADDRESS):
            assert client.rcpt(address)[0] == 503
        assert client.docmd("DATA")[0] == 503
    assert "OPEN RELAY" not in guard.log()  # nor did it find one behind it
    assert outside not in stack.mail_log()


def test_no_password_is_taken_without_tls(stack: Stack, tmp_path: Path) -> None:
    anna = stack.members["anna"]
    with Guard(stack, tmp_path, door={"auth_without_tls": "never"}) as guard:  # by default it may come from loopback
        with smtplib.SMTP(*guard.submission, timeout=PATIENCE) as client:
            client.ehlo()
            assert not client.has_extn("auth")
            assert client.docmd("AUTH", "PLAIN " + _coded(f"\0{anna.login}\0{anna.password}"))[0] == 538
        with session(stack, guard.submission, anna) as client:
            assert client.mail(anna.address)[0] == 250


def test_mail_to_mailmans_machine_addresses_passes_whatever_it_says(stack: Stack, guard: Guard) -> None:
    subject, anna = f"Re: confirm {new_subject()}", Scene(stack, guard)
    body = forwarded("Dora <dora@example.test>", "Anna <anna@example.test>", PRIVATE)
    machines = [f"berlin-confirm+0123456789abcdef@{LIST_DOMAIN}", f"brandenburg-join@{LIST_DOMAIN}"]
    content = letter(anna.member, [*machines, *anna.addresses("berlin", "brandenburg")], subject, body)

    with session(stack, guard.submission, anna.member) as client:
        said = submit(client, anna.member.address, machines, content)

    assert said.code == 250
    assert "queued as" in said.text
    stack.settle()
    assert len([each for each in stack.mailman.commands() if subject.encode() in each]) == 2
    assert anna.got(subject) == {}
    assert not [each for each in stack.inbox("anna") if subject in each.subject]  # no notice either
    # The same words to the lists themselves would wait.
    assert anna.send(content, "berlin", "brandenburg") == Said(250, HELD)


def test_mail_to_a_desk_is_never_looked_at(stack: Stack, tmp_path: Path) -> None:
    with Guard(stack, tmp_path, changes={"desks": [stack.members["dora"].address]}) as guard:
        anna = Scene(stack, guard)
        notice = anna.hold(new_subject(), "berlin", "brandenburg")
        subject = f"Fwd: {new_subject()}"
        words = forwarded("Mail check <mailcheck@check.example.test>", "Anna <anna@example.test>", notice.text)
        content = letter(anna.member, anna.addresses("dora", "ben"), subject, words)

        to_the_desk = anna.send(content, "dora", "ben")
        to_a_member = anna.send(content, "ben")

    assert to_the_desk.code == 250
    assert "queued as" in to_the_desk.text
    assert to_a_member == Said(550, "5.7.1 Not sent: it contains the code of a waiting mail")
    assert anna.counts(subject) == {"dora": 1, "ben": 1}


def test_where_the_sender_cannot_be_asked_the_mail_is_refused(stack: Stack, tmp_path: Path) -> None:
    subject = new_subject()
    with Guard(stack, tmp_path, changes={"accounts": {"anna@example.test": "moved-away@example.test"}}) as guard:
        anna = Scene(stack, guard)
        said = anna.send(anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg")

    assert said.code == 550  # Postfix knows no such mailbox, and it will not learn of it by waiting
    assert "we could not write to your mailbox" in said.text
    assert anna.got(subject) == {}


def test_while_the_way_out_is_closed_the_program_keeps_the_mail(stack: Stack, tmp_path: Path) -> None:
    subject, ordinary = new_subject(), new_subject()
    nobody = {"server": f"{HOST}:{free_port()}", "tls": "none", "login": "xclient", "user": GUARD_USER}
    with Guard(stack, tmp_path, changes={"outbox": nobody}) as guard:
        anna = Scene(stack, guard)
        said = anna.send(anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg")
        assert anna.send(anna.write(ordinary, "berlin"), "berlin").code == 250  # what needs no answer goes on

    assert said.code == 451
    assert anna.got(subject) == {}
    assert anna.counts(ordinary) == once(stack, "berlin")


@pytest.mark.parametrize("program", [at_home.curl, at_home.msmtp], ids=["curl", "msmtp"])
def test_the_guards_own_limit_is_offered_and_shown(stack: Stack, tmp_path: Path, program: Program) -> None:
    """curl announces the size, msmtp does not."""
    anna = stack.members["anna"]
    with Guard(stack, tmp_path, changes={"limits": {"message_size": "64KiB"}}) as guard:
        errand = Errand(
            tmp_path, stack.ca_file, guard.submission, False, anna, ["dora@example.test"], new_subject(), TEXT * 1600
        )
        assert len(errand.content) > 65536

        outcome = program(errand)

        assert outcome.code != 0
        assert re.search(r"552 5\.3\.4 ", outcome.output), outcome.output


def test_a_client_that_says_only_helo_is_served_as_without_the_guard(stack: Stack, tmp_path: Path) -> None:
    """A scanner in the office, say: no EHLO, no login, no TLS; behind the guard a port that takes it."""
    anna, said = stack.members["anna"], []
    subjects = [new_subject(), new_subject()]
    behind = {"server": f"{HOST}:{stack.inbound[1]}", "tls": "none"}
    with Guard(stack, tmp_path, door={"tls": "none", "auth": "optional"}, changes={"upstream": behind}) as guard:
        for place, subject in zip((stack.inbound, guard.submission), subjects, strict=True):
            content = letter(anna, ["dora@example.test"], subject)
            with Wire(stack, place, tls=False) as wire:
                lines = ("helo desk", "mail from:<anna@example.test>", "rcpt to:<dora@example.test>", "data")
                found = [wire.greeting, *(wire.ask(line) for line in lines)]
                assert queued(wire.ask(content + b"."))
                said.append([*found, wire.ask("quit")])
            [copy] = stack.wait_for("dora", subject=subject)
            assert is_as_sent(copy.content, content)

    assert said[1] == said[0]
