"""Behind a front: what is held, refused and answered, and what the front's log can tell (T-42). And 90-06."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.logs import caught
from tests.loopback.door import Client
from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import ALL, BERLIN, MEMBERS, House, body, guarded, mail

OK = b"250 2.0.0 Ok\r\n"
PAGE = {"public_url": "https://check.example.test", "web": {"listen": "127.0.0.1:0"}}
FORWARD = (
    "---------- Forwarded message ---------\nFrom: Clara <clara@example.test>\n"
    "Date: Sat, 21 Nov 2026 at 10:12\nSubject: talk\nTo: Ben <ben@example.test>\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)


def received(login: str | None, number: int = 1) -> bytes:
    """What the front puts above a mail."""
    said = f"\t(Authenticated sender: {login})\r\n" if login else ""
    return (
        f"Received: from laptop (unknown [192.0.2.7])\r\n{said}"
        f"\tby mail.example.test (Postfix) with ESMTPSA id {number}\r\n\t; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    ).encode()


@dataclass
class Front:
    """A mail server in front of the guard, and its re-entry port."""

    house: House
    re_entry: FakeUpstream
    number: int = 0

    async def send(self, sender: str, to: list[str], content: bytes, login: str | None) -> bytes:
        """One mail that a client of the front sends; what the front reads last."""
        self.number += 1
        return await say(self.house.application.ports[2], sender, to, received(login, self.number) + content)

    async def answer(self, notice: Any, text: str, login: str | None, sender: str) -> bytes:
        address = str(notice["Reply-To"]).strip("<>")
        quoted = "".join(f"> {line}\n" for line in body(notice).splitlines())
        return await self.send(sender, [address], mail("anna", [address], "Re: x", f"{text}\n\n{quoted}"), login)


async def say(port: int, sender: str, to: list[str], content: bytes) -> bytes:
    """One mail in a session of its own; the reply to its content, or the first refusal."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        assert (await client.reply()).startswith(b"220")
        for line in ("EHLO front", f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in to), "DATA"):
            said = await client.ask(line.encode())
            if said[:1] in b"45":
                return said
        return await client.ask(content + b".")
    finally:
        await client.close()


@asynccontextmanager
async def front(folder: Path, **changes: Any) -> AsyncIterator[Front]:
    """A guard with a door of each kind; `changes` replace keys of smtpguard.yaml."""
    async with FakeUpstream() as re_entry:
        listeners = [
            {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none"},
            {"kind": "answers", "listen": "127.0.0.1:0"},
            {
                "kind": "filter",
                "listen": "127.0.0.1:0",
                "received_by": "mail.example.test",
                "upstream": f"127.0.0.1:{re_entry.port}",
            },
        ]
        async with guarded(folder, listeners=listeners, **changes) as house:
            yield Front(house, re_entry)


# ---------------------------------------------------------------- a member behind the front


async def test_T_42_a_held_mail_looks_to_the_front_like_any_other(tmp_path: Path) -> None:
    with caught() as log:
        async with front(tmp_path) as site:
            passed = await site.send(MEMBERS["anna"], [BERLIN], mail("anna", [BERLIN], "One"), MEMBERS["anna"])
            held = await site.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]), MEMBERS["anna"])
            notice = await site.house.letter()
            answered = await site.answer(notice, "ONLY 1", MEMBERS["anna"], MEMBERS["anna"])

            assert {passed, held, answered} == {OK}
            assert len(site.re_entry.messages) == 1
            await site.house.out.wait_until(site.house.released)
            (released,) = site.house.released()
            assert released.rcpts == (f"TO:<{BERLIN}>".encode(),)
            # As it came, the front's own field included: the outbox's port takes the login out of it.
            assert released.content == received(MEMBERS["anna"], 2) + mail("anna", [BERLIN, ALL])
            assert str(notice["To"]) == MEMBERS["anna"]
    assert "event=passed" in log.getvalue()
    assert "queued" in log.getvalue()  # where an admin finds the queue id that the front does not learn


@pytest.mark.parametrize(
    ("to", "header", "text", "why"),
    [
        ([BERLIN, ALL], [BERLIN, ALL], "x", "more than one list"),
        ([BERLIN, MEMBERS["ben"]], [MEMBERS["ben"]], "x", "only in Bcc"),
        (
            [BERLIN],
            [BERLIN],
            FORWARD,
            "private mail",
        ),
    ],
)
async def test_T_42_a_refusal_names_nothing_of_the_mail(
    tmp_path: Path, to: list[str], header: list[str], text: str, why: str
) -> None:
    async with front(tmp_path, accounts={"anna@example.test": {"mailbox": None}}) as site:
        said = await site.send(MEMBERS["anna"], to, mail("anna", header, "Minutes", text), MEMBERS["anna"])

        assert said.startswith(b"550 5.7.1 Not sent: ")
        assert why in said.decode()
        assert not re.search(r"berlin|all-members|press|@|<|minutes|anna|ben|clara", said.decode().lower())
        assert site.re_entry.messages == []
        assert site.house.out.messages == []


async def test_T_42_a_refusal_names_nothing_in_the_account_s_language_but_the_rule(tmp_path: Path) -> None:
    accounts = {"anna@example.test": {"mailbox": None, "language": "de"}}
    async with front(tmp_path, accounts=accounts, **PAGE) as site:
        said = await site.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]), MEMBERS["anna"])

        assert said == (
            b"550 5.7.1 Mail nicht gesendet: sie geht an mehr als eine Liste, bitte eine auswaehlen (Regel 12); "
            b"dieses Konto hat kein Postfach fuer eine Rueckfrage; mehr dazu: https://check.example.test/rules#12\r\n"
        )


async def test_T_41_forged_fields_below_the_front_s_own_hold_nothing(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        forged = received(MEMBERS["anna"]) + mail("anna", [BERLIN, ALL])
        said = await site.send(MEMBERS["anna"], [BERLIN, ALL], forged, None)

        # 90-03: passed untouched, in the mail server's own words; nobody gets a notice.
        assert said.startswith(b"250 2.0.0 Ok: queued")
        assert site.re_entry.messages[0].content == received(None, 1) + forged
        assert site.house.out.messages == []


async def test_another_s_forged_field_does_not_move_the_notice(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        forged = received(MEMBERS["ben"]) + mail("ben", [BERLIN, ALL])
        assert await site.send(MEMBERS["ben"], [BERLIN, ALL], forged, MEMBERS["anna"]) == OK

        assert str((await site.house.letter())["To"]) == MEMBERS["anna"]


async def test_a_login_without_a_name_is_refused_what_would_be_held(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        said = await site.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]), "m?ller@example.test")

        assert said.startswith(b"550 5.7.1")
        assert site.house.out.messages == []


async def test_12_15_a_second_copy_under_another_field_of_the_front_is_the_same_mail(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        for _ in range(3):
            said = await site.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]), MEMBERS["anna"])
            assert said == OK

        assert len(site.house.own_mail()) == 1
        changed = mail("anna", [BERLIN, ALL], body="Other words.")
        await site.send(MEMBERS["anna"], [BERLIN, ALL], changed, MEMBERS["anna"])
        assert len(site.house.own_mail()) == 2


# ---------------------------------------------------------------- answers


async def hold(site: Front) -> Any:
    await site.send(MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]), MEMBERS["anna"])
    return await site.house.letter()


async def test_no_other_member_may_answer(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        notice = await hold(site)
        said = await site.answer(notice, "SEND", MEMBERS["ben"], MEMBERS["anna"])

        assert said == b"550 5.1.1 No mail is waiting under this code\r\n"
        assert site.house.released() == []


async def test_an_answer_without_a_login_decides_nothing_here_and_goes_to_the_mail_server(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        notice = await hold(site)
        said = await site.answer(notice, "SEND", None, "stranger@elsewhere.test")

        # It quotes the notice, code and all: 90-17 is about mail to others.
        assert said.startswith(b"250 2.0.0 Ok: queued")
        (handed_on,) = site.re_entry.messages
        assert handed_on.rcpts[0].startswith(b"TO:<mailcheck+")
        assert site.house.released() == []
        assert len(site.house.own_mail()) == 1


async def test_T_26_a_notice_sent_on_to_others_is_refused_here_too(tmp_path: Path) -> None:
    async with front(tmp_path) as site:
        notice = await hold(site)
        said = await site.send(
            MEMBERS["anna"], [MEMBERS["ben"]], mail("anna", [MEMBERS["ben"]], body=body(notice)), MEMBERS["anna"]
        )

        assert said.startswith(b"550 5.7.1 Not sent: it contains the code of a waiting mail")


async def test_with_release_by_session_an_answer_behind_the_front_discards_but_does_not_send(tmp_path: Path) -> None:
    async with front(tmp_path, outbox_changes={"release": "session"}) as site:
        notice = await hold(site)

        assert await site.answer(notice, "SEND", MEMBERS["anna"], MEMBERS["anna"]) == OK
        told = await site.house.letter(2)
        assert "Still waiting" in str(told["Subject"])
        assert site.re_entry.messages == []
        assert site.house.up.messages == []

        assert (await site.house.answer("anna", notice, "SEND")).code == 250
        await site.house.up.wait_for_messages(1)
        assert site.re_entry.messages == []


# ---------------------------------------------------------------- 90-06: trusted networks


PRINTER = ["127.0.0.0/8"]


async def test_90_06_a_trusted_network_may_send_without_a_login(tmp_path: Path) -> None:
    async with guarded(tmp_path, trusted_networks=PRINTER) as house:
        house.up.require_login = False
        said = await say(house.port, "printer@example.test", [BERLIN], mail("anna", [BERLIN]))

        assert said.startswith(b"250 2.0.0 Ok: queued")
        assert len(house.up.messages) == 1


async def test_90_06_the_mail_server_decides_whether_it_relays(tmp_path: Path) -> None:
    async with guarded(tmp_path, trusted_networks=PRINTER) as house:
        said = await say(house.port, "printer@example.test", [BERLIN], mail("anna", [BERLIN]))

        assert said == b"554 5.7.1 Relay access denied\r\n"


@pytest.mark.parametrize("changes", [{}, {"mailbox_from_reverse_path": True}])
async def test_90_06_what_alarms_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with guarded(tmp_path, trusted_networks=PRINTER, **changes) as house:
        house.up.require_login = False
        said = await say(house.port, MEMBERS["anna"], [BERLIN, ALL], mail("anna", [BERLIN, ALL]))

        assert said == (
            b"550 5.7.1 Not sent: it is addressed to 2 lists (berlin, all-members), please choose one (rule 12); "
            b"it came without a login, so nobody can be asked\r\n"
        )
        assert house.up.messages == house.out.messages == []


async def test_90_06_whoever_logs_in_there_is_asked_like_any_member(tmp_path: Path) -> None:
    async with guarded(tmp_path, trusted_networks=PRINTER) as house:
        assert "NOT SENT YET" in (await house.submit("anna", [BERLIN, ALL])).text
        assert str((await house.letter())["To"]) == MEMBERS["anna"]


async def test_90_06_no_code_counts_without_a_login(tmp_path: Path) -> None:
    async with guarded(tmp_path, trusted_networks=PRINTER) as house:
        await house.submit("anna", [BERLIN, ALL])
        address = str((await house.letter())["Reply-To"]).strip("<>")
        said = await say(house.port, MEMBERS["anna"], [address], mail("anna", [address], body="SEND"))

        assert said.startswith(b"530 5.7.0")
        assert house.released() == []


async def test_90_06_all_others_have_to_log_in(tmp_path: Path) -> None:
    async with guarded(tmp_path, trusted_networks=["192.0.2.0/24", "2001:db8::/32"]) as house:
        house.up.require_login = False
        said = await say(house.port, "printer@example.test", [BERLIN], mail("anna", [BERLIN]))

        assert said.startswith(b"530 5.7.0")


async def test_90_03_without_a_login_from_elsewhere_mail_passes_unjudged_where_auth_is_optional(tmp_path: Path) -> None:
    listeners = [
        {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": "optional"},
        {"kind": "answers", "listen": "127.0.0.1:0"},
    ]
    async with guarded(tmp_path, listeners=listeners, trusted_networks=["192.0.2.0/24"]) as house:
        house.up.require_login = False
        said = await say(house.port, "printer@example.test", [BERLIN, ALL], mail("anna", [BERLIN, ALL]))

        assert said.startswith(b"250 2.0.0 Ok: queued")


async def test_90_06_counts_where_auth_is_optional_too(tmp_path: Path) -> None:
    listeners = [
        {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "auth": "optional"},
        {"kind": "answers", "listen": "127.0.0.1:0"},
    ]
    async with guarded(tmp_path, listeners=listeners, trusted_networks=PRINTER) as house:
        house.up.require_login = False
        said = await say(house.port, "printer@example.test", [BERLIN, ALL], mail("anna", [BERLIN, ALL]))

        assert said.startswith(b"550 5.7.1 Not sent")


@pytest.mark.parametrize(
    ("header", "may_send"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 587\r\n", True),
        (b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 587\r\n", False),
        (b"PROXY UNKNOWN\r\n", False),  # the balancer's own address says nothing
    ],
)
async def test_90_06_behind_a_balancer_the_client_s_own_address_counts(
    tmp_path: Path, header: bytes, may_send: bool
) -> None:
    door = {"kind": "submission", "listen": "127.0.0.1:0", "tls": "none", "proxy_protocol": ["127.0.0.1/32"]}
    async with guarded(tmp_path, listeners=[door], trusted_networks=["192.0.2.0/24", "127.0.0.1/32"]) as house:
        client = Client(*await asyncio.open_connection("127.0.0.1", house.port))
        await client.send(header)
        assert (await client.reply()).startswith(b"220")
        await client.ask(b"EHLO printer")
        said = await client.ask(b"MAIL FROM:<printer@example.test>")
        await client.close()

        assert said.startswith(b"250" if may_send else b"530")


# ---------------------------------------------------------------- a front and nothing else


async def test_a_guard_behind_a_front_alone_needs_no_other_mail_server(tmp_path: Path) -> None:
    async with FakeUpstream() as re_entry:
        door = {
            "kind": "filter",
            "listen": "127.0.0.1:0",
            "received_by": "mail.example.test",
            "upstream": f"127.0.0.1:{re_entry.port}",
        }
        async with guarded(tmp_path, listeners=[door], upstream=None) as house:
            with caught() as log:
                await house.application.probe()
            assert log.getvalue() == ""
            content = received(MEMBERS["anna"]) + mail("anna", [BERLIN, ALL])
            assert await say(house.port, MEMBERS["anna"], [BERLIN, ALL], content) == OK
            assert str((await house.letter())["To"]) == MEMBERS["anna"]
            assert re_entry.arrived == []
