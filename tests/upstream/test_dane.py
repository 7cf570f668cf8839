"""TLSA records over real handshakes: each usage, selector and matching type, right and wrong (RFC 7671, RFC 7672)."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.target import Timeouts
from tests.loopback.certificates import Authority
from tests.loopback.fake_upstream import FakeUpstream
from tests.upstream.places import DOMAIN, HOST, server_context, site, tlsa

pytestmark = pytest.mark.slow

NOT_THE_ONE = "not the one that its TLSA records name"
KINDS = [(usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1, 2)]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_certificate_that_a_record_names_is_taken_from_any_authority(
    authority: Authority, tmp_path: Path, kind: tuple[int, int, int], tls: str
) -> None:
    stranger = Authority(tmp_path)
    certificate, key = stranger.issue(HOST)
    async with (
        FakeUpstream(tls=tls, context=server_context(certificate, key, stranger.pem)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(*kind, certificate if kind[0] == 3 else stranger.pem))

        connection = await place.session(place.by_server(up.port, tls=tls))

        assert connection.secure
        assert place.told == []
        await connection.quit()


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_certificate_that_no_record_names_is_refused_whoever_signed_it(
    authority: Authority, tmp_path: Path, kind: tuple[int, int, int], tls: str
) -> None:
    other = Authority(tmp_path)
    async with (
        FakeUpstream(tls=tls, context=server_context(*authority.issue(HOST), authority.pem)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(*kind, other.issue(HOST)[0] if kind[0] == 3 else other.pem))

        with pytest.raises(UpstreamError, match=NOT_THE_ONE):
            await place.session(place.by_server(up.port, tls=tls))

        await up.wait_for_close()
        assert b"MAIL" not in b" ".join(up.commands)


async def test_with_usage_3_neither_name_nor_date_of_the_certificate_counts(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path).issue("quite.another.test", expired=True)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(3, 1, 1, certificate))

        connection = await place.session(place.by_server(up.port))

        assert connection.secure
        await connection.quit()


@pytest.mark.parametrize(("names", "expired"), [(("quite.another.test",), False), ((HOST,), True)])
async def test_with_usage_2_both_count(
    authority: Authority, tmp_path: Path, names: tuple[str, ...], expired: bool
) -> None:
    stranger = Authority(tmp_path)
    certificate, key = stranger.issue(*names, expired=expired)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key, stranger.pem)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(2, 0, 1, stranger.pem))

        with pytest.raises(UpstreamError, match=NOT_THE_ONE):
            await place.session(place.by_server(up.port))


async def test_with_usage_2_the_authority_is_sent_along_or_stands_whole_in_the_record(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    hosts = [f"mail{number}.{DOMAIN}" for number in range(3)]
    async with (
        FakeUpstream(tls="starttls", context=server_context(*stranger.issue(*hosts))) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        for name, kind, fits in zip(hosts, ((2, 0, 0), (2, 1, 0), (2, 0, 1)), (True, False, False), strict=True):
            place.host(name)
            place.association(up.port, tlsa(*kind, stranger.pem), host=name)

            target = place.by_server(up.port, host=name)
            if fits:
                await (await place.session(target)).quit()
            else:
                with pytest.raises(UpstreamError, match=NOT_THE_ONE):
                    await place.session(target)


async def test_with_usage_2_a_forged_chain_below_the_right_authority_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    # The authority's certificate is public: anybody can send it along with a certificate of his own.
    (tmp_path / "forger").mkdir()
    certificate, key = Authority(tmp_path / "forger").issue(HOST)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key, authority.pem)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(2, 0, 1, authority.pem))

        with pytest.raises(UpstreamError, match=NOT_THE_ONE):
            await place.session(place.by_server(up.port))


async def test_with_usage_2_the_server_is_not_its_own_authority(authority: Authority, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue(HOST)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(2, 0, 1, certificate))

        with pytest.raises(UpstreamError, match=NOT_THE_ONE):
            await place.session(place.by_server(up.port))


async def test_one_record_that_fits_is_enough(authority: Authority, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue(HOST)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(2, 0, 1, authority.pem), tlsa(3, 1, 1, authority.pem))
        place.association(up.port, tlsa(3, 1, 1, certificate), "0 0 1 " + "00" * 32)

        await (await place.session(place.by_server(up.port))).quit()


async def test_of_two_digests_the_stronger_one_decides(authority: Authority, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue(HOST)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        place.association(up.port, tlsa(3, 1, 1, certificate), tlsa(3, 1, 2, authority.pem))

        with pytest.raises(UpstreamError, match=NOT_THE_ONE):
            await place.session(place.by_server(up.port))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, "it has no TLSA records"),
        ("0 0 1 " + "00" * 32, "none of its TLSA records can be used"),
        ("1 1 1 " + "00" * 32, "none of its TLSA records can be used"),
        ("3 2 1 " + "00" * 32, "none of its TLSA records can be used"),
        ("3 1 9 " + "00" * 32, "none of its TLSA records can be used"),
        ("255 255 255 00", "none of its TLSA records can be used"),
    ],
)
async def test_without_a_usable_record_the_authorities_decide_and_the_admin_is_told_once(
    authority: Authority, tmp_path: Path, record: str | None, why: str
) -> None:
    stranger = Authority(tmp_path)
    async with (
        FakeUpstream(tls="starttls", context=authority.server_context(HOST)) as up,
        FakeUpstream(tls="starttls", context=stranger.server_context(HOST)) as wrong,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        for each in (up, wrong):
            if record is not None:
                place.association(each.port, record)

        good = place.by_server(up.port)
        await (await place.session(good)).quit()
        await (await place.session(good)).quit()
        assert len(place.told) == 1
        assert why in place.told[0]

        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await place.session(place.by_server(wrong.port))


@pytest.mark.parametrize(
    ("signed", "present", "why"),
    [
        ((), True, "not validated"),
        (("elsewhere.test",), True, "not validated"),
        ((HOST,), True, "its TLSA records are not validated"),
        ((HOST,), False, "absence of its TLSA records"),
    ],
)
async def test_records_that_are_not_validated_do_not_count(
    authority: Authority, tmp_path: Path, signed: tuple[str, ...], present: bool, why: str
) -> None:
    certificate, key = Authority(tmp_path).issue(HOST)
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, *signed) as place,
    ):
        place.host()
        # A zone cut below the host: the zone of its TLSA records is not signed.
        place.dns.unsigned.add(f"_tcp.{HOST}")
        if present:
            place.association(up.port, tlsa(3, 1, 1, certificate))

        with pytest.raises(UpstreamError, match="certificate is not accepted"):
            await place.session(place.by_server(up.port))

        assert why in place.told[0]


async def test_unsigned_hosts_are_not_asked_for_tlsa_at_all(authority: Authority, tmp_path: Path) -> None:
    async with (
        FakeUpstream(tls="starttls", context=authority.server_context(HOST)) as up,
        site(authority, tmp_path) as place,
    ):
        place.host()
        place.dns.failing.add(f"_{up.port}._tcp.{HOST}")

        await (await place.session(place.by_server(up.port))).quit()

        assert {kind for _, kind in place.dns.asked} == {"A", "AAAA"}


@pytest.mark.parametrize("fault", ["failing", "silent"])
async def test_no_mail_goes_where_the_answer_about_tlsa_is_bogus_or_missing(
    authority: Authority, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.upstream.resolution.QUESTION_SECONDS", 0.5)
    async with (
        FakeUpstream(tls="starttls", context=authority.server_context(HOST)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        getattr(place.dns, fault).add(f"_{up.port}._tcp.{HOST}")

        with pytest.raises(UpstreamError, match="the DNS gives no answer"):
            await place.session(place.by_server(up.port))

        assert up.connections == 0


async def test_records_of_the_final_name_of_an_alias_come_first_and_its_own_name_is_asked_for(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    async with (
        FakeUpstream(tls="starttls", context=server_context(*stranger.issue("real.example.test"), stranger.pem)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.dns.add(HOST, "CNAME", "real.example.test.")
        place.host("real.example.test")
        place.association(up.port, tlsa(2, 0, 1, stranger.pem), host="real.example.test")
        place.association(up.port, tlsa(3, 1, 1, authority.pem))

        await (await place.session(place.by_server(up.port))).quit()


async def test_behind_an_alias_into_an_unsigned_zone_the_records_of_the_first_name_count(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path).issue("whatever.test")
    async with (
        FakeUpstream(tls="starttls", context=server_context(certificate, key)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.dns.add(HOST, "CNAME", "host.provider.test.")
        place.host("host.provider.test")
        place.association(up.port, tlsa(3, 1, 1, certificate))
        place.association(up.port, tlsa(3, 1, 1, authority.pem), host="host.provider.test")

        await (await place.session(place.by_server(up.port))).quit()


async def test_a_record_that_is_broken_is_no_answer(authority: Authority, tmp_path: Path) -> None:
    async with (
        FakeUpstream(tls="starttls", context=authority.server_context(HOST)) as up,
        site(authority, tmp_path, DOMAIN) as place,
    ):
        place.host()
        # A SHA-256 digest of three octets: dnspython passes over the message that it stands in.
        place.association(up.port, "hex 030101aabbcc")

        with pytest.raises(UpstreamError, match="the DNS does not answer in time"):
            await place.session(place.by_server(up.port, timeouts=Timeouts(connect=1)))

        assert up.connections == 0


async def test_no_starttls_is_no_way_out(authority: Authority, tmp_path: Path) -> None:
    async with FakeUpstream() as up, site(authority, tmp_path, DOMAIN) as place:
        place.host()
        place.association(up.port, tlsa(3, 1, 1, authority.pem))

        with pytest.raises(UpstreamError, match="does not offer STARTTLS"):
            await place.session(place.by_server(up.port))

        assert up.commands == [b"EHLO guard.example.test"]
