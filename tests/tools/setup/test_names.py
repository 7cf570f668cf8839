"""What the DNS says of the domains of a new guard, and what it still lacks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smtpguard.tools.setup import names
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.asking import all_answers
from smtpguard.tools.setup.found import Found
from smtpguard.tools.setup.names import Records, look_up, name_lines, name_remarks
from smtpguard.upstream.resolution import Resolver

GUARD, DMARC = "check.gardeners.org", "_dmarc.check.gardeners.org"


@pytest.fixture
def answers() -> Answers:
    given = {"organisation": "x", "server": "mail.gardeners.org", "domain": "gardeners.org",
             "list_domains": "lists.gardeners.org"}  # fmt: skip
    return all_answers(Found(), given, None, lambda text: None)


def test_a_domain_of_which_nothing_is_known_gets_all_lines(answers: Answers) -> None:
    assert [
        "check.gardeners.org. IN MX 10 mail.gardeners.org.",
        'check.gardeners.org. IN TXT "v=spf1 a:mail.gardeners.org -all"',
        '_dmarc.check.gardeners.org. IN TXT "v=DMARC1; p=reject; adkim=s; aspf=s"',
    ] == name_lines(answers, Records())


def test_what_is_there_is_not_written_again(answers: Answers) -> None:
    known = {
        (GUARD, "MX"): ("10 mail.gardeners.org.",), (GUARD, "TXT"): ("other", "V=SPF1 -all"),
        (DMARC, "TXT"): ("v=DMARC1; p=none",),
    }  # fmt: skip

    assert [] == name_lines(answers, Records(known))
    assert ["_dmarc"] == [each[:6] for each in name_lines(answers, Records({**known, (DMARC, "TXT"): ("x",)}))]


def test_where_members_mail_goes_is_told_and_whether_it_is_this_server(answers: Answers) -> None:
    known = {
        ("gardeners.org", "MX"): ("10 MX.hosting.net.", "20 mx2.hosting.net."),
        ("lists.gardeners.org", "MX"): ("0 mail.gardeners.org.",),
    }

    assert [
        "gardeners.org: mail for it goes to mx.hosting.net, mx2.hosting.net, and not to mail.gardeners.org (MX).",
        "lists.gardeners.org: mail for it goes to mail.gardeners.org (MX).",
    ] == [*name_remarks(answers, Records(known))]


async def test_a_dns_that_is_silent_is_waited_for_once_and_told(
    answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name server that takes questions and never answers.
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\n")
    monkeypatch.setattr(names, "SECONDS", 0.2)
    try:
        found = await look_up(answers, Resolver(conf, transport.get_extra_info("sockname")[1]))
    finally:
        transport.close()

    assert {} == found.known
    assert ["The DNS did not answer, so nothing is known of these domains."] == [*name_remarks(answers, found)]


async def test_names_of_an_intranet_are_not_asked_for(answers: Answers, tmp_path: Path) -> None:
    given = {"organisation": "x", "server": "mail.gardeners.test", "domain": "gardeners.test", "list_domains": "none"}
    intranet = all_answers(Found(), given, None, lambda text: None)

    found = await look_up(intranet, Resolver(tmp_path / "no-such-file"))

    assert [] == [*name_remarks(intranet, found)]
