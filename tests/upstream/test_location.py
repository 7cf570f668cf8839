"""The mail server of a domain, found by real DNS answers: order, fallbacks, and whose certificate is taken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.connection import Connection
from smtpguard.upstream.location import ADDRESSES_MAX, PLACES_MAX
from smtpguard.upstream.outbox import OutboxLogin, SubmissionOutbox
from smtpguard.upstream.relay_probe import relays_without_login
from smtpguard.upstream.target import Timeouts
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.places import DOMAIN, HOST, Site, server_context, site, tlsa

NOBODY = "127.0.0.99"  # loopback, but no test listens there


def starttls(authority: Authority, *names: str) -> FakeUpstream:
    return FakeUpstream(tls="starttls", context=authority.server_context(*names or (DOMAIN,)))


def implicit(authority: Authority, *names: str) -> FakeUpstream:
    return FakeUpstream(tls="implicit", context=authority.server_context(*names or (DOMAIN,)))


async def spoken_with(place: Site, *servers: FakeUpstream, times: int = 1, **target: object) -> list[int]:
    """How often each of `servers` was the one, in so many connections."""
    for _ in range(times):
        await (await place.session(place.by_domain(**target))).quit()  # type: ignore[arg-type]
    return [each.connections for each in servers]


# ------------------------------------------------------------ which server


async def test_implicit_tls_comes_before_starttls(authority: Authority, tmp_path: Path) -> None:
    async with implicit(authority) as first, starttls(authority) as second, site(authority, tmp_path) as place:
        place.host()
        place.service(second, "_submission")
        place.service(first, "_submissions", order="50 0")

        connection = await place.session(place.by_domain())

        assert connection.secure
        assert (first.connections, second.connections) == (1, 0)
        assert not connection.target.locator
        await connection.quit()


async def test_starttls_is_taken_where_there_is_no_implicit_tls(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.service(up)

        connection = await place.session(place.by_domain())

        assert connection.secure
        assert up.commands[1] == b"STARTTLS"
        await connection.quit()


async def test_the_lowest_priority_is_tried_first_and_the_next_when_it_cannot_be_reached(
    authority: Authority, tmp_path: Path
) -> None:
    async with (
        starttls(authority) as first,
        starttls(authority) as second,
        site(authority, tmp_path) as place,
    ):
        place.host()
        place.host("dead.example.test", NOBODY)
        place.service(second, order="30 0")
        place.service(first, order="20 0")
        place.service(first, host="dead.example.test", order="10 0")
        place.service(first, host="nowhere.example.test", order="5 0")

        assert await spoken_with(place, first, second) == [1, 0]
        await first.stop_listening()
        assert await spoken_with(place, first, second) == [1, 1]


async def test_weights_share_out_the_connections(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as heavy, starttls(authority) as light, site(authority, tmp_path) as place:
        place.host()
        place.service(heavy, order="0 90")
        place.service(light, order="0 10")
        target = place.by_domain()
        assert target.locator is not None

        drawn = [(await target.locator.places(target))[0].port for _ in range(400)]  # type: ignore[attr-defined]

        # 360 are to be expected; beyond these bounds lies less than one run in a thousand million.
        assert 300 < drawn.count(heavy.port) < 397
        assert await spoken_with(place, heavy, light) in ([1, 0], [0, 1])


@pytest.mark.parametrize("greeting", [b"421 4.3.2 too busy\r\n", b"554 5.3.2 not here\r\n", b"", b"HTTP/1.1 400\r\n"])
async def test_a_server_that_does_not_greet_is_passed_over(
    authority: Authority, tmp_path: Path, greeting: bytes
) -> None:
    async with starttls(authority) as first, starttls(authority) as second, site(authority, tmp_path) as place:
        place.host()
        place.service(first, order="1 0")
        place.service(second, order="2 0")
        first.greeting = greeting
        if not greeting:
            first.on("greeting", then="close")

        assert await spoken_with(place, first, second) == [1, 1]


async def test_a_server_that_keeps_silent_is_passed_over_in_its_share_of_the_time(
    authority: Authority, tmp_path: Path
) -> None:
    async with starttls(authority) as first, starttls(authority) as second, site(authority, tmp_path) as place:
        place.host()
        place.service(first, order="1 0")
        place.service(second, order="2 0")
        first.on("greeting", then="stall")

        target = place.by_domain(timeouts=Timeouts(connect=3, reply=30))
        await (await place.session(target)).quit()
        assert (first.connections, second.connections) == (1, 1)

        # And tried last for a while.
        await (await place.session(target)).quit()
        assert (first.connections, second.connections) == (1, 2)
        await second.stop_listening()
        first.behave()
        first.go_on()
        await (await place.session(target)).quit()
        assert (first.connections, second.connections) == (2, 2)


async def test_if_all_refuse_the_first_refusal_is_the_word(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as first, starttls(authority) as second, site(authority, tmp_path) as place:
        place.host()
        place.service(first, order="1 0")
        place.service(second, order="2 0")
        place.service(second, host="nowhere.example.test", order="0 0")
        first.greeting, second.greeting = b"421 4.3.2 first\r\n", b"554 second\r\n"

        with pytest.raises(UpstreamError) as caught:
            await Connection.open(place.by_domain())

        assert caught.value.reply is not None
        assert caught.value.reply.code == 421


async def test_every_address_of_a_host_is_tried(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host(HOST, NOBODY, "127.0.0.98", "127.0.0.1")
        place.service(up)

        for _ in range(3):
            await (await place.session(place.by_domain())).quit()


async def test_ipv6_is_an_address_like_any_other(authority: Authority, tmp_path: Path) -> None:
    context = authority.server_context(DOMAIN)
    async with (
        FakeUpstream(host="::1", tls="starttls", context=context) as up,
        site(authority, tmp_path) as place,
    ):
        place.dns.add(HOST, "AAAA", "::1")
        place.service(up)

        assert await spoken_with(place, up) == [1]


async def test_what_a_domain_can_make_us_try_is_bounded(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host(HOST, *(f"127.0.1.{number}" for number in range(1, 40)))
        for number in range(40):
            place.service(up, order=f"{number} 0")
        target = place.by_domain()
        locator = target.locator
        assert locator is not None

        places = await locator.places(target)  # type: ignore[attr-defined]
        assert len(places) == PLACES_MAX
        assert len(await locator.routes(places[0], target)) == ADDRESSES_MAX  # type: ignore[attr-defined]


# ------------------------------------------------------------ MX


async def mx_target(place: Site, **changes: object) -> list[tuple[str, int, str, str, bool]]:
    target = place.by_domain(**changes)  # type: ignore[arg-type]
    assert target.locator is not None
    places = await target.locator.places(target)  # type: ignore[attr-defined]
    return [(each.host, each.port, each.tls, each.name, each.secure) for each in places]


async def test_without_a_submission_service_the_mx_records_name_the_hosts(authority: Authority, tmp_path: Path) -> None:
    async with site(authority, tmp_path) as place:
        place.dns.add(DOMAIN, "MX", "20 second.example.test.", "10 first.example.test.")

        assert await mx_target(place) == [
            ("first.example.test", 25, "starttls", DOMAIN, False),
            ("second.example.test", 25, "starttls", DOMAIN, False),
        ]


async def test_a_mail_exchanger_is_spoken_to_by_starttls_on_its_port(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        monkeypatch.setattr("smtpguard.upstream.location.SMTP_PORT", up.port)
        place.dns.add(DOMAIN, "MX", "10 mx.example.test.")
        place.host("mx.example.test")

        assert await spoken_with(place, up) == [1]
        assert up.sessions[0].secure


async def test_without_mx_the_domain_itself_is_the_host(authority: Authority, tmp_path: Path) -> None:
    async with site(authority, tmp_path, DOMAIN) as place:
        place.host(DOMAIN)

        assert await mx_target(place) == [(DOMAIN, 25, "starttls", DOMAIN, True)]


async def test_validated_mx_records_name_who_must_be_in_the_certificate(authority: Authority, tmp_path: Path) -> None:
    async with site(authority, tmp_path, DOMAIN) as place:
        place.dns.add(DOMAIN, "MX", "10 mx.provider.test.")

        assert await mx_target(place) == [("mx.provider.test", 25, "starttls", "mx.provider.test", True)]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ({("_submission._tcp." + DOMAIN, "SRV"): "0 0 0 ."}, "no submission service"),
        (
            {
                ("_submission._tcp." + DOMAIN, "SRV"): "0 0 0 .",
                ("_submissions._tcp." + DOMAIN, "SRV"): "0 0 0 .",
                (DOMAIN, "MX"): "10 mx.example.test.",
            },
            "no submission service",
        ),
        ({("_submission._tcp." + DOMAIN, "SRV"): r"0 0 587 bad\032host.example.test."}, "no submission service"),
        ({(DOMAIN, "MX"): "0 ."}, "takes no mail"),
        ({}, "has no address"),
    ],
)
async def test_a_domain_that_says_no_is_taken_at_its_word(
    authority: Authority, tmp_path: Path, records: dict[tuple[str, str], str], why: str
) -> None:
    async with site(authority, tmp_path) as place:
        for (name, kind), value in records.items():
            place.dns.add(name, kind, value)

        with pytest.raises(UpstreamError, match=why) as caught:
            await Connection.open(place.by_domain())

        assert caught.value.reply is None


async def test_one_service_denied_leaves_the_other(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.dns.add(f"_submissions._tcp.{DOMAIN}", "SRV", "0 0 0 .")
        place.service(up)

        assert await spoken_with(place, up) == [1]


async def test_tls_implicit_takes_nothing_else(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.service(up)
        place.dns.add(DOMAIN, "MX", "10 mx.example.test.")

        with pytest.raises(UpstreamError, match="no submission service with implicit TLS"):
            await Connection.open(place.by_domain(tls="implicit"))

        assert up.connections == 0


# ------------------------------------------------------------ no answer


@pytest.mark.parametrize("name", ["_submissions._tcp." + DOMAIN, "_submission._tcp." + DOMAIN])
async def test_a_failing_answer_is_no_absence(authority: Authority, tmp_path: Path, name: str) -> None:
    # Else whoever can break one answer could lead us from a submission service to the MX.
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.dns.add(DOMAIN, "MX", f"10 {HOST}.")
        place.dns.failing.add(name)
        if not name.startswith("_submission."):
            place.service(up)

        with pytest.raises(UpstreamError, match="the DNS gives no answer"):
            await Connection.open(place.by_domain())

        assert up.connections == 0


async def test_a_silent_dns_is_an_error_within_the_time_for_connecting(authority: Authority, tmp_path: Path) -> None:
    async with site(authority, tmp_path) as place:
        place.dns.silent.add(f"_submission._tcp.{DOMAIN}")
        start = asyncio.get_running_loop().time()

        with pytest.raises(UpstreamError, match="could not be found in time"):
            await Connection.open(place.by_domain(timeouts=Timeouts(connect=0.5)))

        assert asyncio.get_running_loop().time() - start < 5


@pytest.mark.slow
async def test_a_host_whose_address_is_not_to_be_had_is_passed_over(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.dns.failing.add("broken.example.test")
        place.dns.silent.add("silent.example.test")
        place.service(up, host="broken.example.test", order="1 0")
        place.service(up, host="silent.example.test", order="2 0")
        place.service(up, order="3 0")

        assert await spoken_with(place, up, timeouts=Timeouts(connect=4)) == [1]


async def test_a_hundred_connections_at_once_ask_the_dns_once(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.service(up)
        target = place.by_domain()

        connections = await asyncio.gather(*(Connection.open(target) for _ in range(100)))

        assert set(place.dns.asked.values()) == {1}
        for each in connections:
            each.abort()
        await up.wait_for_close()


# ------------------------------------------------------------ names


@pytest.mark.parametrize("kind", ["_submission", "_submissions"])
@pytest.mark.parametrize(
    ("signed", "names", "taken"),
    [
        ((), (DOMAIN,), True),
        ((), (HOST,), False),
        ((), ("mail.forger.test",), False),
        ((DOMAIN,), (HOST,), True),
        ((DOMAIN,), (DOMAIN,), False),
    ],
)
async def test_without_validation_the_certificate_bears_the_domain_with_it_the_host(
    authority: Authority, tmp_path: Path, signed: tuple[str, ...], names: tuple[str, ...], taken: bool, kind: str
) -> None:
    made = implicit if kind == "_submissions" else starttls
    async with made(authority, *names) as up, site(authority, tmp_path, *signed) as place:
        place.host()
        place.service(up, kind)

        if taken:
            await (await place.session(place.by_domain())).quit()
            return
        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await place.session(place.by_domain())


async def test_a_forged_answer_leads_nowhere(authority: Authority, tmp_path: Path) -> None:
    # The forger has a good certificate, for a name of his own, and TLSA records in a signed zone of his own.
    certificate = authority.server_context("mail.forger.test")
    async with (
        FakeUpstream(tls="starttls", context=certificate) as up,
        site(authority, tmp_path, "forger.test") as place,
    ):
        place.host("mail.forger.test")
        place.service(up, host="mail.forger.test")
        place.association(up.port, tlsa(2, 0, 0, authority.pem), host="mail.forger.test")

        for dane in (False, True):
            with pytest.raises(UpstreamError, match="certificate is not accepted"):
                await place.session(place.by_domain(dane=dane))

        assert "answer that names the host is not validated" in place.told[0]
        assert all(b"AUTH" not in each for each in up.commands)


async def test_with_dane_a_validated_host_is_known_by_its_records(authority: Authority, tmp_path: Path) -> None:
    certificate = authority.issue("unrelated.test")
    async with (
        FakeUpstream(tls="implicit", context=server_context(*certificate)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.service(up, "_submissions")
        place.association(up.port, tlsa(3, 1, 1, certificate[0]))

        await (await place.session(place.by_domain(dane=True))).quit()

        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await place.session(place.by_domain(dane=False))


# ------------------------------------------------------------ whoever connects


async def test_outbox_and_probe_find_their_server_in_the_same_way(authority: Authority, tmp_path: Path) -> None:
    async with starttls(authority) as up, site(authority, tmp_path) as place:
        place.host()
        place.service(up)

        carrier = await SubmissionOutbox(place.by_domain(), login=OutboxLogin.NONE, hello_name="guard.test").open()
        assert "SMTPUTF8" in carrier.extensions
        await carrier.close()
        assert await relays_without_login(place.by_domain(), "guard.test") is True
        assert [each.secure for each in up.sessions] == [True, True]
