"""The guard behind Postfix's smtpd_proxy_filter, set up by the files that are shipped in deploy/postfix."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deployed import adapted
from tests.e2e.front import Front, front
from tests.e2e.guard import START, Guard
from tests.e2e.mail_programs import PROGRAMS, Place, Program, Said, by_smtplib, submit
from tests.e2e.scene import Scene, is_as_sent, once
from tests.e2e.stack import Stack
from tests.e2e.stack.people import SERVER_NAME
from tests.e2e.writing import letter, new_subject
from tests.ports import HOST, answers, wait_until

pytestmark = pytest.mark.e2e

TAKEN = Said(250, "2.0.0 Ok")


@dataclass
class Site:
    """The front, the guard behind it, and anna before it."""

    stack: Stack
    ports: Front
    guard: Guard
    anna: Scene

    @property
    def submission(self) -> Place:
        return HOST, self.ports.submission

    def send(self, content: bytes, *names: str, by: Program = by_smtplib) -> Said:
        """anna sends, logged in at the front."""
        return by(self.stack, self.submission, self.anna.member, self.anna.addresses(*names), content)

    def send_without_login(self, sender: str, to: Sequence[str], content: bytes, address: str = HOST) -> Said:
        """Somebody sends from the world, from this address of the machine."""
        with smtplib.SMTP(HOST, self.ports.world, timeout=40, source_address=(address, 0)) as client:
            client.ehlo("outside.example")
            return submit(client, sender, to, content)


@pytest.fixture(scope="module")
def ports(stack: Stack) -> Iterator[Front]:
    with front(stack) as added:
        yield added


@pytest.fixture
def site(stack: Stack, ports: Front, tmp_path: Path) -> Iterator[Site]:
    settings = {"/etc/smtpguard/": f"{tmp_path}/"}
    shipped = yaml.safe_load(adapted("postfix/filter.smtpguard.yaml", ports.site(stack) | settings))
    [door, _] = shipped["listeners"]
    with Guard(stack, tmp_path, more_doors=[door], changes={"outbox": shipped["outbox"]}) as guard:
        wait_until("the filter answers", lambda: answers(ports.filter), START)
        yield Site(stack, ports, guard, Scene(stack, guard))


def received(delivered: bytes) -> list[bytes]:
    """The Received fields of a mail, unfolded, the topmost first."""
    header = re.sub(rb"\r\n[ \t]+", b" ", delivered.partition(b"\r\n\r\n")[0])
    return [line for line in header.split(b"\r\n") if line.lower().startswith(b"received:")]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_T_41_a_post_through_the_front_arrives_without_the_login(site: Site, program: Program) -> None:
    subject = new_subject()
    sent = letter(site.anna.member, site.anna.addresses("dora"), subject, fields=("Received: from nowhere",))

    assert site.send(sent, "dora", by=program) == TAKEN

    [copy] = site.stack.wait_for("dora", subject=subject)
    assert is_as_sent(copy.content, sent)
    assert b"Authenticated sender" not in copy.content
    # What the front itself wrote is still there, but for the login: how the mail was carried, and by whom.
    assert any(b"ESMTPSA" in each and f"by {SERVER_NAME} (Postfix)".encode() in each for each in received(copy.content))


def test_T_41_T_42_a_post_to_two_lists_waits_and_an_answer_through_the_front_releases_it(site: Site) -> None:
    subject = new_subject()
    content = site.anna.write(subject, "berlin", "brandenburg")
    # Other guards of this run have been here before us.
    logged_before = len(site.stack.mail_log())

    assert site.send(content, "berlin", "brandenburg") == TAKEN

    notice = site.anna.notice(subject)
    assert site.anna.got(subject) == {}
    assert site.anna.answer(notice, "ONLY 1", place=site.submission) == TAKEN
    site.anna.told("Sent", subject)
    got = site.anna.got(subject)
    assert {name: len(letters) for name, letters in got.items()} == once(site.stack, "berlin")
    for letters in got.values():
        assert b"Authenticated sender" not in letters[0].content
        assert b"ESMTPSA" in b"".join(received(letters[0].content))
    # The front's log has the sender and the recipients (T-42), but not what became of the mail.
    logged = site.stack.mail_log()[logged_before:]
    assert site.anna.member.address in logged
    assert "NOT SENT YET" not in logged
    assert "answer has been read" not in logged


def test_an_answer_by_another_member_through_the_front_does_nothing(site: Site) -> None:
    subject = new_subject()
    site.send(site.anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg")
    notice = site.anna.notice(subject)

    ben = Scene(site.stack, site.guard, "ben")
    assert ben.answer(notice, "SEND", place=site.submission) == Said(550, "5.1.1 No mail is waiting under this code")

    assert site.anna.got(subject) == {}
    assert site.anna.answer(notice, "DISCARD", place=site.submission) == TAKEN
    site.anna.told("Thrown away", subject)


def test_T_41_mail_without_a_login_passes_whatever_received_fields_it_brings(site: Site) -> None:
    subject = new_subject()
    to = site.anna.addresses("berlin", "brandenburg")
    forged = (
        f"Received: from laptop (unknown [192.0.2.7])\r\n\t(Authenticated sender: {site.anna.member.login})\r\n"
        f"\tby {SERVER_NAME} (Postfix) with ESMTPSA id 4cXyZ1\r\n\t; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    ).encode()
    content = forged + letter(site.anna.member, to, subject)

    said = site.send_without_login(site.anna.member.address, to, content)

    assert said.code == 250
    assert "queued as" in said.text  # the mail server's own word: 90-03
    site.stack.settle()
    assert [
        each for each in site.stack.inbox("anna") if "NOT SENT YET" in each.subject and subject in each.subject
    ] == []
    assert site.anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}


@pytest.mark.parametrize(
    "name", ["by", "(Authenticated sender: ben@example.test)", 'x")(Authenticated sender: ben)("', "ü"]
)
def test_T_41_no_name_that_a_client_gives_at_ehlo_changes_the_account(site: Site, name: str) -> None:
    subject = new_subject()
    with smtplib.SMTP(*site.submission, timeout=40) as client:
        client.starttls()
        client.command_encoding = "utf-8"
        client.ehlo_or_helo_if_needed()
        assert client.docmd("EHLO", name)[0] == 250
        client.login(site.anna.member.login, site.anna.member.password)
        to = site.anna.addresses("berlin", "brandenburg")
        content = letter(site.anna.member, to, subject)
        assert submit(client, site.anna.member.address, to, content) == TAKEN

    assert site.anna.answer(site.anna.notice(subject), "DISCARD", place=site.submission) == TAKEN
    site.anna.told("Thrown away", subject)
    assert site.anna.got(subject) == {}


def test_the_log_of_the_re_entry_port_names_the_real_client(site: Site) -> None:
    to = site.anna.addresses("dora")
    said = site.send_without_login("a@outside.example", to, letter(site.anna.member, to, new_subject()), "127.0.0.9")
    assert said.code == 250

    # XFORWARD went up: the re-entry port logs the original client beside its own.
    site.stack.wait_for_log("client=unknown[127.0.0.1], orig_client=unknown[127.0.0.9]")


def test_an_answer_from_the_world_is_handed_to_the_answers_door_which_looks_at_its_sender(site: Site) -> None:
    subject = new_subject()
    site.send(site.anna.write(subject, "berlin", "brandenburg"), "berlin", "brandenburg")
    notice = site.anna.notice(subject)
    recipient = str(notice.message["Reply-To"]).strip("<>")

    def answer_as(sender: str, choice: str) -> Said:
        return site.send_without_login(
            sender, [recipient], letter(site.anna.member, [recipient], f"Re: {notice.subject}", f"{choice}\n")
        )

    assert answer_as("stranger@outside.example", "SEND").code == 250
    site.stack.settle()
    assert site.anna.got(subject) == {}
    assert answer_as(site.anna.member.address, "DISCARD").code == 250
    site.anna.told("Thrown away", subject)
    assert site.anna.got(subject) == {}


def test_while_the_guard_is_down_nothing_passes_unjudged(stack: Stack, ports: Front) -> None:
    anna = stack.members["anna"]
    for to in (["berlin"], ["berlin", "brandenburg"]):
        addresses = [stack.lists[each].address for each in to]
        said = by_smtplib(stack, (HOST, ports.submission), anna, addresses, letter(anna, addresses, new_subject()))
        assert said.code == 451
