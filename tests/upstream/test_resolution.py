"""Questions to a real name server on loopback: what is believed, what is kept, and for how long one waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smtpguard.upstream import UpstreamError, resolution
from smtpguard.upstream.resolution import Resolver
from tests.upstream.nameserver import NameServer

pytestmark = pytest.mark.slow


def values(found: resolution.Found) -> list[str]:
    return sorted(str(each) for each in found.records or ())


async def test_records_and_their_absence_are_answers(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.add("mail.example.test", "A", "127.0.0.1", "127.0.0.2")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        assert values(await resolver.look_up("mail.example.test", "A")) == ["127.0.0.1", "127.0.0.2"]
        for name, kind in (("mail.example.test", "AAAA"), ("nobody.example.test", "A")):
            found = await resolver.look_up(name, kind)
            assert found.records is None
            assert found.name == name


@pytest.mark.parametrize(
    ("nameserver", "lines", "believed"),
    [
        ("127.0.0.1", (), True),
        ("127.0.0.1", ("nameserver 192.0.2.1",), False),
        ("127.0.0.1", ("nameserver 192.0.2.1", "options edns0 trust-ad"), True),
        ("127.0.0.1", ("nameserver 192.0.2.1", "# options trust-ad"), False),
    ],
)
async def test_the_ad_bit_counts_from_this_machine_or_where_the_admin_vouches_for_it(
    tmp_path: Path, nameserver: str, lines: tuple[str, ...], believed: bool
) -> None:
    async with NameServer() as dns:
        dns.signed.add("example.test")
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path, *lines, nameserver=nameserver), dns.port)

        assert (await resolver.look_up("mail.example.test", "A")).secure is believed
        assert (await resolver.look_up("absent.example.test", "A")).secure is believed
        assert not (await resolver.look_up("mail.elsewhere.test", "A")).secure


async def test_an_alias_is_followed_and_only_as_secure_as_each_of_its_steps(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.signed.add("example.test")
        dns.add("mail.example.test", "CNAME", "host.provider.test.")
        dns.add("host.provider.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        found = await resolver.look_up("Mail.Example.test.", "A")

        assert found.name == "host.provider.test"
        assert values(found) == ["127.0.0.1"]
        assert not found.secure


async def test_an_answer_too_large_for_udp_comes_by_tcp(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.truncating = True
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        assert values(await resolver.look_up("mail.example.test", "A")) == ["127.0.0.1"]
        assert dns.by_tcp == ["mail.example.test"]


async def test_an_answer_that_is_cut_short_by_tcp_too_is_none(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.cut_short.add("mail.example.test")
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        with pytest.raises(UpstreamError, match="cut short"):
            await resolver.look_up("mail.example.test", "A")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x81",
        bytes(10),
        b"\x81\xa0" + b"\xff" * 8,
        b"\x81\xa0" + b"\0\1\0\1\0\0\0\0" + b"\xc0\x0c" * 40,
        b"\x81\xa5" + bytes(8),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_garbage_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    monkeypatch.setattr(resolution, "QUESTION_SECONDS", 1.0)
    async with NameServer() as dns:
        dns.raw["mail.example.test"] = octets
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        with pytest.raises(UpstreamError, match="the DNS gives no answer"):
            await resolver.look_up("mail.example.test", "A")


async def test_the_same_question_is_asked_once_by_however_many_and_kept(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        await asyncio.gather(*(resolver.look_up("mail.example.test", "A") for _ in range(50)))
        await resolver.look_up("MAIL.example.test", "A")

        assert dns.asked == {("mail.example.test", "A"): 1}


async def test_an_answer_is_kept_as_long_as_it_says_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NameServer() as dns:
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)
        loop = asyncio.get_running_loop()

        for ttl, kept in ((0, 30.0), (600, 600.0), (1_000_000, 3600.0)):
            dns.ttl = ttl
            start = loop.time()
            await resolver.look_up("mail.example.test", "A")
            until = resolver._known["mail.example.test", "A"].until
            assert 0 <= until - start - kept < 10
            resolver._known.clear()


async def test_an_answer_that_is_out_of_date_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolution, "TTL_MIN_SECONDS", 0.0)
    async with NameServer() as dns:
        dns.ttl = 0
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        await resolver.look_up("mail.example.test", "A")
        dns.remove("mail.example.test", "A")
        dns.add("mail.example.test", "A", "127.0.0.9")

        assert values(await resolver.look_up("mail.example.test", "A")) == ["127.0.0.9"]


async def test_servfail_is_an_error_that_is_kept_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NameServer() as dns:
        dns.failing.add("mail.example.test")
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        for _ in range(3):
            with pytest.raises(UpstreamError, match="name servers have failed"):
                await resolver.look_up("mail.example.test", "A")
        assert dns.asked["mail.example.test", "A"] == 1

        monkeypatch.setattr(resolution, "FAILURE_SECONDS", 0.0)
        resolver._known.clear()
        with pytest.raises(UpstreamError):
            await resolver.look_up("mail.example.test", "A")
        dns.failing.clear()
        assert values(await resolver.look_up("mail.example.test", "A")) == ["127.0.0.1"]


async def test_silence_is_an_error_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "QUESTION_SECONDS", 0.3)
    async with NameServer() as dns:
        dns.silent.add("mail.example.test")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        with pytest.raises(UpstreamError, match="in time"):
            await resolver.look_up("mail.example.test", "A")


async def test_whoever_stops_waiting_does_not_take_the_answer_from_the_others(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.add("mail.example.test", "A", "127.0.0.1")
        resolver = Resolver(dns.configuration(tmp_path), dns.port)
        first = asyncio.create_task(resolver.look_up("mail.example.test", "A"))
        second = asyncio.create_task(resolver.look_up("mail.example.test", "A"))
        await asyncio.sleep(0)

        first.cancel()

        assert values(await second) == ["127.0.0.1"]
        assert first.cancelled() or first.cancelling()
        assert dns.asked == {("mail.example.test", "A"): 1}


@pytest.mark.parametrize("text", [None, "", "options trust-ad\n", "nameserver nonsense\n"])
async def test_a_machine_without_name_servers_is_an_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text, "utf-8")

    with pytest.raises(UpstreamError, match="the DNS gives no answer"):
        await Resolver(path).look_up("mail.example.test", "A")


async def test_a_new_resolv_conf_counts_at_the_next_question(tmp_path: Path) -> None:
    async with NameServer() as dns:
        dns.add("mail.example.test", "A", "127.0.0.1")
        path = tmp_path / "resolv.conf"
        resolver = Resolver(path, dns.port)
        with pytest.raises(UpstreamError):
            await resolver.look_up("mail.example.test", "AAAA")

        dns.configuration(tmp_path)

        assert values(await resolver.look_up("mail.example.test", "A")) == ["127.0.0.1"]


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "QUESTIONS_MAX", 3)
    async with NameServer() as dns:
        resolver = Resolver(dns.configuration(tmp_path), dns.port)

        for number in range(6):
            await resolver.look_up(f"host{number}.example.test", "A")

        assert len(resolver._known) == 3
        assert resolver._asking == {}
