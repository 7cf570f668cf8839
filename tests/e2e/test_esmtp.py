"""What Postfix and Dovecot offer, used through the guard: each reply is the one that they give without it.

The guard goes up by TLS from the first octet here, and by IPv6 where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import at_home
from tests.e2e.at_home import Errand, Program
from tests.e2e.elsewhere import elsewhere
from tests.e2e.guard import START, Guard
from tests.e2e.mail_programs import Place
from tests.e2e.scene import HELD, Scene, is_as_sent, once
from tests.e2e.stack import DELIVERY, ELSEWHERE_DOMAIN, Letter, Stack
from tests.e2e.tap import tapped
from tests.e2e.wire import BY_TOKEN, MECHANISMS, Wire, offers, queued, token
from tests.e2e.writing import TEXT, letter, new_subject
from tests.ports import HAS_IPV6, HOST, HOST_6, answers, free_ports, wait_until

pytestmark = pytest.mark.e2e

HELD_REPLY = f"250 {HELD}\r\n".encode()
NO_IPV6 = "this machine has no IPv6 address of its own"
UTF8 = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")


@dataclass(frozen=True)
class Site:
    """The mail server, and the guard's doors in front of it; all speak TLS from the first octet."""

    stack: Stack
    guard: Guard
    door: Place
    door_6: Place

    def through(self) -> Wire:
        """A connection to the guard."""
        return Wire(self.stack, self.door)

    def direct(self) -> Wire:
        """A connection to Postfix."""
        return Wire(self.stack, self.stack.submissions)

    def anna(self) -> Scene:
        return Scene(self.stack, self.guard)


@pytest.fixture(scope="module")
def site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port, port_6 = free_ports(2)
    doors = [f"{HOST}:{port}", *([f"[{HOST_6}]:{port_6}"] if HAS_IPV6 else [])]
    behind = f"[{HOST_6}]" if HAS_IPV6 else HOST
    guard = Guard(
        stack,
        tmp_path_factory.mktemp("esmtp"),
        more_doors=[{"kind": "submission", "listen": door, "tls": "implicit"} for door in doors],
        changes={
            "upstream": {"server": f"{behind}:{stack.submissions[1]}", "tls": "implicit", "ca": str(stack.ca_file)}
        },
    )
    with guard:
        wait_until("the other doors answer", lambda: answers(port), START)
        yield Site(stack, guard, (HOST, port), (HOST_6, port_6))


def _opened(wire: Wire, site: Site, name: str = "anna") -> Wire:
    """The same, with EHLO said and logged in."""
    wire.ask("EHLO desk.example.test")
    assert wire.login(site.stack.members[name]).startswith(b"235 ")
    return wire


def test_ehlo_offers_what_postfix_offers_and_the_guard_carries(site: Site) -> None:
    with site.direct() as direct, site.through() as through:
        behind, here = (offers(each.ask("EHLO desk.example.test")) for each in (direct, through))

    carried = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE", "AUTH")
    assert {key: here[key] for key in carried} == {key: behind[key] for key in carried}
    assert set(here) <= set(behind)
    assert "ETRN" not in here
    assert set(here["AUTH"].split()) == set(MECHANISMS)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_of_dovecot_logs_in_and_the_guard_knows_who_it_is(site: Site, mechanism: str) -> None:
    scene, subject = site.anna(), new_subject()
    with site.direct() as direct, site.through() as wire:
        wrong = []
        for each in (direct, wire):
            each.ask("EHLO desk.example.test")
            wrong.append(each.login(scene.member, mechanism, "nothing-of-hers"))
        assert wrong[0] == wrong[1]
        assert wrong[0].startswith(b"535 5.7.8 ")

        assert wire.login(scene.member, mechanism) == b"235 2.7.0 Authentication successful\r\n"
        to = scene.addresses("berlin", "brandenburg")
        said = wire.replies(_envelope(scene.member.address, to), 4)
        assert [each[:3] for each in said] == [b"250", b"250", b"250", b"354"]
        assert wire.ask(scene.write(subject, "berlin", "brandenburg") + b".") == HELD_REPLY

    assert "(rule 12)" in scene.notice(subject).text  # to her, whom only the login names


def _envelope(sender: str, to: list[str]) -> bytes:
    return b"".join(
        line.encode() + b"\r\n"
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in to), "DATA")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("program", "mechanism"),
    [
        (at_home.swaks, "CRAM-MD5"), (at_home.s_nail, "CRAM-MD5"), (at_home.mutt, "SCRAM-SHA-256"),
        (at_home.curl, "LOGIN"), (at_home.msmtp, "CRAM-MD5"), (at_home.msmtp, "SCRAM-SHA-1"),
        (at_home.msmtp, "SCRAM-SHA-256"), (at_home.msmtp, "XOAUTH2"), (at_home.msmtp, "OAUTHBEARER"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)  # fmt: skip
def test_programs_log_in_by_other_mechanisms(site: Site, tmp_path: Path, program: Program, mechanism: str) -> None:
    anna, dora = site.stack.members["anna"], site.stack.members["dora"]
    secret = token(anna) if mechanism in BY_TOKEN else anna.password
    errand = Errand(
        tmp_path, site.stack.ca_file, site.door, True, anna, [dora.address], new_subject(), TEXT,
        password=secret, mechanism=mechanism,
    )  # fmt: skip

    outcome = program(errand)

    assert outcome.code == 0, outcome.output
    site.stack.wait_for("dora", subject=errand.subject)
    site.stack.wait_for_log(f"sasl_method={mechanism}, sasl_username={anna.login}")


def test_pipelined_commands_are_answered_in_order_and_as_without_the_guard(site: Site) -> None:
    anna = site.stack.members["anna"]
    to = ["dora@example.test", "nobody@example.test", "emil@example.test"]
    said, subjects = [], []
    for wire in (site.direct(), site.through()):
        with wire:
            _opened(wire, site)
            subjects.append(new_subject())
            found = wire.replies(_envelope(anna.address, to), 5)
            content = letter(anna, to[:1], subjects[-1])
            # The next mail comes along with the dot of this one.
            more = b"NOOP\r\nMAIL FROM:<anna@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRSET\r\nQUIT\r\n"
            taken, *rest = wire.replies(content + b".\r\n" + more, 6)
            assert queued(taken)
            assert wire.reply() == b""  # closed
            said.append([*found, *rest])

    assert said[1] == said[0]
    assert [each[:3] for each in said[0]] == [
        b"250", b"250", b"550", b"250", b"354", b"250", b"250", b"550", b"250", b"221",
    ]  # fmt: skip
    for name in ("dora", "emil"):
        site.stack.wait_for(name, subject=subjects[1])


def test_msmtp_pipelines_by_itself(site: Site, tmp_path: Path) -> None:
    anna, to = site.stack.members["anna"], ["dora@example.test", "emil@example.test"]
    with tapped(site.stack, site.door, implicit=True) as line:
        errand = Errand(tmp_path, site.stack.ca_file, line.place, True, anna, to, new_subject(), TEXT)
        outcome = at_home.msmtp(errand)

    assert outcome.code == 0, outcome.output
    assert b"RCPT TO:<dora@example.test>\r\nRCPT TO:<emil@example.test>\r\nDATA\r\n" in line.groups
    for name in ("dora", "emil"):
        [copy] = site.stack.wait_for(name, subject=errand.subject)
        assert is_as_sent(copy.content, line.content())


def test_delivery_status_parameters_go_up_as_typed_and_the_report_comes(site: Site) -> None:
    scene, subject = site.anna(), new_subject()
    with _opened(site.through(), site) as wire:
        assert wire.ask("MAIL FROM:<anna@example.test> RET=HDRS ENVID=Mixed+2BCase").startswith(b"250 ")
        dora = "RCPT TO:<dora@example.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Dora+2BX@Example.Test"
        assert wire.ask(dora).startswith(b"250 ")
        assert wire.ask("DATA").startswith(b"354 ")
        assert queued(wire.ask(scene.write(subject, "dora") + b"."))

    [report] = _reports(site, subject, 1)
    assert report.message.get_param("report-type") == "delivery-status"
    assert b"Original-Envelope-Id: Mixed+Case\r\n" in report.content
    assert b"Original-Recipient: rfc822;Dora+X@Example.Test\r\n" in report.content
    assert re.search(rb"\nAction: (delivered|relayed)\r\n", report.content)  # LMTP does not say what became of it
    assert b"shelf" not in report.content


def test_msmtp_gets_the_report_that_it_asks_for(site: Site, tmp_path: Path) -> None:
    anna, subject = site.stack.members["anna"], new_subject()
    errand = Errand(
        tmp_path, site.stack.ca_file, site.door, True, anna, ["dora@example.test"], subject, TEXT,
        options=("--dsn-notify=success", "--dsn-return=headers"),
    )  # fmt: skip

    outcome = at_home.msmtp(errand)

    assert outcome.code == 0, outcome.output
    [report] = _reports(site, subject, 1)
    assert re.search(rb"\nAction: (delivered|relayed)\r\n", report.content)  # LMTP does not say what became of it
    assert b"Final-Recipient: rfc822; dora@example.test\r\n" in report.content


def _reports(site: Site, subject: str, count: int) -> list[Letter]:
    """Delivery reports about the mail with this subject, in anna's mailbox."""

    def found() -> list[Letter]:
        kind = "multipart/report"
        letters = [each for each in site.stack.inbox("anna") if each.message.get_content_type() == kind]
        return [each for each in letters if subject.encode() in each.content]

    wait_until("the reports", lambda: len(found()) >= count, DELIVERY)
    return found()


def test_utf8_in_addresses_and_header_goes_through(site: Site) -> None:
    subject = f"Grüße {new_subject()}"
    sender, recipient = f"änna@{ELSEWHERE_DOMAIN}", f"jörg@{ELSEWHERE_DOMAIN}"
    content = (
        f"From: Änna <{sender}>\r\nTo: Jörg <{recipient}>\r\nSubject: {subject}\r\n"
        f"Date: Sun, 22 Nov 2026 12:00:00 +0100\r\nMessage-ID: <{subject[-32:]}@{ELSEWHERE_DOMAIN}>\r\n"
        f"{UTF8[0]}\r\n{UTF8[1]}\r\n{UTF8[2]}\r\n\r\nSchöne Grüße.\r\n"
    ).encode()
    site.stack.grant_sender("anna", sender)
    with elsewhere(site.stack) as came, _opened(site.through(), site) as wire:
        without = wire.ask(f"MAIL FROM:<{sender}>")
        assert wire.ask("RSET").startswith(b"250 ")
        with _opened(site.direct(), site) as direct:
            assert without == direct.ask(f"MAIL FROM:<{sender}>")
        assert wire.ask(f"MAIL FROM:<{sender}> BODY=8BITMIME SMTPUTF8").startswith(b"250 ")
        assert wire.ask(f"RCPT TO:<{recipient}>").startswith(b"250 ")
        assert wire.ask("DATA").startswith(b"354 ")
        assert queued(wire.ask(content + b"."))
        wait_until("it arrives elsewhere", lambda: bool(came), DELIVERY)

    [delivery] = came
    assert (delivery.sender, delivery.recipients) == (sender, (recipient,))
    assert {"SMTPUTF8", "BODY=8BITMIME"} <= delivery.parameters
    assert is_as_sent(delivery.content, content)


@pytest.mark.parametrize("program", [at_home.curl, at_home.mutt], ids=["curl", "mutt"])
def test_a_programs_own_parameters_reach_the_next_mail_server(site: Site, tmp_path: Path, program: Program) -> None:
    """curl: SMTPUTF8 for the address; mutt: BODY=8BITMIME for the text."""
    recipient = f"{'jörg' if program is at_home.curl else 'joerg'}@{ELSEWHERE_DOMAIN}"
    anna = site.stack.members["anna"]
    errand = Errand(tmp_path, site.stack.ca_file, site.door, True, anna, [recipient], new_subject(), "Schöne Grüße.\n")
    with elsewhere(site.stack) as came:
        outcome = program(errand)
        assert outcome.code == 0, outcome.output
        wait_until("it arrives elsewhere", lambda: bool(came), DELIVERY)

    [delivery] = came
    assert delivery.recipients == (recipient,)
    assert ("SMTPUTF8" if program is at_home.curl else "BODY=8BITMIME") in delivery.parameters
    assert "Schöne Grüße.".encode() in delivery.content


def test_what_is_too_big_for_postfix_is_refused_in_its_words_at_mail_and_by_the_guard_in_content(site: Site) -> None:
    anna = site.stack.members["anna"]
    said = []
    for wire in (site.direct(), site.through()):
        with wire:
            limit = int(offers(wire.ask("EHLO desk.example.test"))["SIZE"])
            assert wire.login(anna).startswith(b"235 ")
            announced = wire.ask(f"MAIL FROM:<anna@example.test> SIZE={limit + 1}")
            assert wire.ask("RSET").startswith(b"250 ")  # until then Postfix remembers the size
            found = wire.replies(_envelope(anna.address, ["dora@example.test"]), 3)
            content = letter(anna, ["dora@example.test"], new_subject(), b"X" * 998 + b"\r\n")
            wire.send(content + (b"X" * 998 + b"\r\n") * (limit // 1000 + 1))
            content_refused = wire.ask(b".")
            assert wire.ask("NOOP").startswith(b"250 ")  # the session goes on
            said.append((limit, announced, found, content_refused[:10]))

    assert said[1] == said[0]
    limit, announced, _, content_refused = said[0]
    assert limit == 10_240_000
    assert announced.startswith(b"552 5.3.4 ")
    assert content_refused == b"552 5.3.4 "


def test_several_mails_in_one_session_passed_and_held_and_passed_again(site: Site) -> None:
    scene = site.anna()
    subjects = [new_subject() for _ in range(4)]
    names = [("berlin",), ("berlin", "press"), ("dora",), ("press",)]
    with _opened(site.through(), site) as wire:
        for subject, to in zip(subjects, names, strict=True):
            wire.replies(_envelope(scene.member.address, scene.addresses(*to)), len(to) + 2)
            reply = wire.ask(scene.write(subject, *to) + b".")
            assert reply == HELD_REPLY if len(to) == 2 else queued(reply)
            assert wire.ask("EHLO desk.example.test").startswith(b"250-")
            assert wire.ask("mail from:<anna@example.test>").startswith(b"250 ")
            assert wire.ask("rset").startswith(b"250 ")
        assert wire.ask("quit").startswith(b"221 ")

    assert scene.counts(subjects[0]) == once(site.stack, "berlin")
    assert scene.counts(subjects[1]) == {}
    assert scene.counts(subjects[2]) == {"dora": 1}
    assert scene.counts(subjects[3]) == once(site.stack, "press")
    scene.notice(subjects[1])


def test_a_client_that_goes_without_quit_has_sent_its_mail(site: Site) -> None:
    scene, subject, cut = site.anna(), new_subject(), new_subject()
    with _opened(site.through(), site) as wire:
        wire.replies(_envelope(scene.member.address, scene.addresses("dora")), 3)
        assert queued(wire.ask(scene.write(subject, "dora") + b"."))
        # And one that goes in the middle of a mail has not.
        wire.replies(_envelope(scene.member.address, scene.addresses("dora")), 3)
        wire.send(scene.write(cut, "dora"))
        wire.close()

    assert scene.counts(subject) == {"dora": 1}
    assert scene.counts(cut) == {}


@pytest.mark.skipif(not HAS_IPV6, reason=NO_IPV6)
@pytest.mark.parametrize(
    "program",
    # s-nail looks for names in certificates only.
    [at_home.PROGRAMS[name] for name in ("smtplib", "msmtp", "mutt", "curl")],
    ids=["smtplib", "msmtp", "mutt", "curl"],
)
def test_both_legs_by_ipv6(site: Site, tmp_path: Path, program: Program) -> None:
    anna = site.stack.members["anna"]
    errand = Errand(tmp_path, site.stack.ca_file, site.door_6, True, anna, ["dora@example.test"], new_subject(), TEXT)

    outcome = program(errand)

    assert outcome.code == 0, outcome.output
    site.stack.wait_for("dora", subject=errand.subject)
    site.stack.wait_for_log("client=unknown[::1], sasl_method=")
