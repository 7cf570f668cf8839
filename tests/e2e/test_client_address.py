"""Postfix learns where a member comes from: by XCLIENT, by a PROXY header, over IPv4 and IPv6."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.guard import Guard
from tests.e2e.mail_programs import submit
from tests.e2e.named import Named, named
from tests.e2e.scene import HELD, Scene
from tests.e2e.stack import Stack
from tests.e2e.writing import letter, new_subject
from tests.ports import HAS_IPV6, HOST, wait_until

pytestmark = pytest.mark.e2e

PATIENCE = 40.0
BALANCER = {"proxy_protocol": [HOST]}
ADDRESSES = [
    "192.0.2.7",
    pytest.param("2001:db8::7", marks=pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")),
]
WAYS = ["xclient", "proxy", "wrapped"]


class FromElsewhere(smtplib.SMTP):
    """A member behind a balancer, at `source`."""

    def __init__(self, place: tuple[str, int], source: str) -> None:
        self._source = source
        super().__init__(*place, timeout=PATIENCE)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        family, destination = ("TCP6", "2001:db8::1") if ":" in self._source else ("TCP4", "198.51.100.1")
        connection.sendall(f"PROXY {family} {self._source} {destination} 40000 587\r\n".encode())
        return connection


@pytest.fixture(scope="module")
def ports(stack: Stack) -> Iterator[Named]:
    with named(stack) as found:
        yield found


@contextmanager
def guard_before(stack: Stack, folder: Path, ports: Named, way: str) -> Iterator[Guard]:
    upstream = {
        "server": f"{HOST}:{getattr(ports, way)}",
        "tls": "implicit" if way == "wrapped" else "starttls",
        "ca": str(stack.ca_file),
        "client_address": "proxy" if way in ("proxy", "wrapped") else "xclient",
    }
    with Guard(stack, folder, changes={"upstream": upstream}, door=BALANCER) as guard:
        yield guard


@contextmanager
def member_at(stack: Stack, guard: Guard, source: str) -> Iterator[smtplib.SMTP]:
    with FromElsewhere(guard.submission, source) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(stack.ca_file)))
        client.ehlo()
        yield client


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", ADDRESSES)
def test_postfix_logs_the_members_own_address(
    stack: Stack, tmp_path: Path, ports: Named, way: str, source: str
) -> None:
    anna, ben = stack.members["anna"], stack.members["ben"]
    seen = f"postfix/{way}/smtpd"
    failed = re.compile(rf"{seen}.* unknown\[{re.escape(source)}\]: SASL PLAIN authentication failed")
    taken = re.compile(rf"{seen}.* client=unknown\[{re.escape(source)}\].* sasl_username={re.escape(anna.login)}")
    subject = new_subject()

    with guard_before(stack, tmp_path, ports, way) as guard:
        before = len(taken.findall(stack.mail_log())), len(failed.findall(stack.mail_log()))
        with member_at(stack, guard, source) as client:
            token = b64encode(f"\0{anna.login}\0no password of hers".encode()).decode()
            assert client.docmd("AUTH", f"PLAIN {token}")[0] == 535
            client.login(anna.login, anna.password)
            client.ehlo()
            client.sendmail(anna.address, [ben.address], letter(anna, [ben.address], subject, "Words."))

    (got,) = stack.wait_for("ben", subject=subject)
    assert (f"[IPv6:{source}]" if ":" in source else f"[{source}]").encode() in got.content

    def counted() -> tuple[int, int]:
        log = stack.mail_log()
        return len(taken.findall(log)), len(failed.findall(log))

    # Postfix's lines come a little behind its replies.
    wait_until("Postfix names the member twice", lambda: counted() == (before[0] + 1, before[1] + 1), PATIENCE)
    assert "XCLIENT" not in guard.log()


def test_a_member_whom_postfix_does_not_want_hears_its_own_words(stack: Stack, tmp_path: Path, ports: Named) -> None:
    with guard_before(stack, tmp_path, ports, "picky") as guard:
        with FromElsewhere(guard.submission, "192.0.2.66") as client:
            code, text = client.ehlo()
        assert (code, text[:6]) == (554, b"5.7.1 ")
        assert b"192.0.2.66" in text
        with member_at(stack, guard, "192.0.2.7") as client:
            assert client.noop()[0] == 250


@pytest.mark.parametrize("way", ["xclient", "proxy"])
def test_mail_is_held_and_its_sender_asked_by_the_outbox_which_names_nobody(
    stack: Stack, tmp_path: Path, ports: Named, way: str
) -> None:
    subject = new_subject()
    with guard_before(stack, tmp_path, ports, way) as guard:
        anna = Scene(stack, guard)
        with member_at(stack, guard, "192.0.2.7") as client:
            client.login(anna.member.login, anna.member.password)
            lists = anna.addresses("berlin", "brandenburg")
            assert submit(client, anna.member.address, lists, anna.write(subject, "berlin", "brandenburg")).text == HELD
        assert anna.notice(subject)
    assert anna.got(subject) == {}
