"""PROXY headers, octet by octet: what names a client, what does not, and that nothing behind one is taken."""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.listener.proxy_header import V1_OCTETS_MAX, V2_OCTETS_MAX, ProxyHeader, ProxyHeaderError
from smtpguard.upstream.origin import IPAddress, Origin, origin_of

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BEHIND = b"\x16\x03\x01 the first record of a handshake"
FOUR = Origin(ip_address("192.0.2.7"), 40000, ip_address("198.51.100.1"), 465)
SIX = Origin(ip_address("2001:db8::7"), 40000, ip_address("2001:db8:1::1"), 465)


def v2(command: int, family: int, addresses: bytes, tlvs: bytes = b"") -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses + tlvs)) + addresses + tlvs


def packed(origin: Origin) -> bytes:
    ports = struct.pack("!HH", origin.source_port, origin.destination_port)
    return origin.source.packed + origin.destination.packed + ports


def read(octets: bytes, step: Callable[[int], int] = lambda wanted: wanted) -> tuple[ProxyHeader, bytes]:
    """The header and what was left in the socket; at most `step(wanted)` octets are given at a time."""
    header = ProxyHeader()
    while not header.ended and octets:
        number = step(header.wanted)
        header.feed(octets[:number])
        octets = octets[number:]
    return header, octets


NAMED = {
    "v1 four": (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 465\r\n", FOUR),
    "v1 six": (b"PROXY TCP6 2001:db8::7 2001:db8:1::1 40000 465\r\n", SIX),
    "v1 six in full": (
        b"PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0007 2001:DB8:1:0:0:0:0:1 40000 465\r\n",
        SIX,
    ),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 40000 465\r\n", FOUR),
    "v2 four": (v2(0x21, 0x11, packed(FOUR)), FOUR),
    "v2 six": (v2(0x21, 0x21, packed(SIX)), SIX),
    "v2 with TLVs": (v2(0x21, 0x11, packed(FOUR), b"\x04\0\x03abc" * 50), FOUR),
    "v2 as long as may be": (v2(0x21, 0x11, packed(FOUR), b"\0" * (V2_OCTETS_MAX - 28)), FOUR),
    "v2 mapped": (
        v2(
            0x21,
            0x21,
            b"".join(b"\0" * 10 + b"\xff\xff" + each.packed for each in (FOUR.source, FOUR.destination))
            + struct.pack("!HH", 40000, 465),
        ),
        FOUR,
    ),
}
NAMELESS = {
    "v1": b"PROXY UNKNOWN\r\n",
    "v1 with words": b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
    "v1 as long as may be": b"PROXY UNKNOWN " + b"x" * (V1_OCTETS_MAX - 16) + b"\r\n",
    "v2 local": v2(0x20, 0x00, b""),
    "v2 local with addresses": v2(0x20, 0x11, packed(FOUR)),
    "v2 local with anything": v2(0x20, 0xFF, b"whatever"),
    "v2 unspecified": v2(0x21, 0x00, b"\x04\0\x03abc"),
    "v2 Unix socket": v2(0x21, 0x31, b"/a".ljust(108, b"\0") * 2),
}
BAD = {
    "a command": b"EHLO me.example.test\r\n",
    "a handshake": BEHIND,
    "lower case": b"proxy TCP4 192.0.2.7 198.51.100.1 40000 465\r\n",
    "no blank": b"PROXYTCP4 192.0.2.7 198.51.100.1 40000 465\r\n",
    "two blanks": b"PROXY  TCP4 192.0.2.7 198.51.100.1 40000 465\r\n",
    "two blanks later": b"PROXY TCP4 192.0.2.7  198.51.100.1 40000 465\r\n",
    "a blank at the end": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 465 \r\n",
    "a tabulator": b"PROXY TCP4\t192.0.2.7 198.51.100.1 40000 465\r\n",
    "UDP": b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 465\r\n",
    "TCPx4": b"PROXY TCPx4 192.0.2.7 198.51.100.1 40000 465\r\n",
    "UNKNOWNs": b"PROXY UNKNOWNs\r\n",
    "six as four": b"PROXY TCP4 2001:db8::7 2001:db8:1::1 40000 465\r\n",
    "four as six": b"PROXY TCP6 192.0.2.7 198.51.100.1 40000 465\r\n",
    "mixed": b"PROXY TCP6 2001:db8::7 198.51.100.1 40000 465\r\n",
    "leading noughts": b"PROXY TCP4 192.0.2.007 198.51.100.1 40000 465\r\n",
    "out of range": b"PROXY TCP4 192.0.2.256 198.51.100.1 40000 465\r\n",
    "a zone": b"PROXY TCP6 fe80::1%eth0 fe80::2 40000 465\r\n",
    "a name": b"PROXY TCP4 localhost 198.51.100.1 40000 465\r\n",
    "no ports": b"PROXY TCP4 192.0.2.7 198.51.100.1\r\n",
    "one port": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
    "a word more": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 465 x\r\n",
    "a great port": b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 465\r\n",
    "a port with a nought": b"PROXY TCP4 192.0.2.7 198.51.100.1 040000 465\r\n",
    "a port with an underscore": b"PROXY TCP4 192.0.2.7 198.51.100.1 4_0 465\r\n",
    "a negative port": b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 465\r\n",
    "digits of another script": "PROXY TCP4 192.0.2.7 198.51.100.1 ٤ 465\r\n".encode(),
    "bare LF": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 465\n",
    "bare CR": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 465\rEHLO me\r\n",
    "too long by one": b"PROXY UNKNOWN " + b"x" * (V1_OCTETS_MAX - 15) + b"\r\n",
    "without end": b"PROXY UNKNOWN " + b"x" * 10_000,
    "nothing": b"PROXY \r\n" + b"x" * 20,
    "v2 of version 1": v2(0x11, 0x11, packed(FOUR)),
    "v2 of version 3": v2(0x31, 0x11, packed(FOUR)),
    "v2 unknown command": v2(0x22, 0x11, packed(FOUR)),
    "v2 datagrams": v2(0x21, 0x12, packed(FOUR)),
    "v2 datagrams six": v2(0x21, 0x22, packed(SIX)),
    "v2 stream of no family": v2(0x21, 0x01, packed(FOUR)),
    "v2 unknown family": v2(0x21, 0x41, packed(FOUR)),
    "v2 cut address": v2(0x21, 0x11, packed(FOUR)[:-1]),
    "v2 six in the room of four": v2(0x21, 0x21, packed(FOUR)),
    "v2 no address": v2(0x21, 0x11, b""),
    "v2 too long by one": v2(0x21, 0x11, packed(FOUR), b"\0" * (V2_OCTETS_MAX - 27)),
    "v2 endless": SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 70_000,
    "nearly the signature": b"\r\n\r\n\0\r\nQUIT\r" + b"\x21\x11\0\x0c" + packed(FOUR),
}


@pytest.mark.parametrize(("octets", "origin"), NAMED.values(), ids=list(NAMED))
@pytest.mark.parametrize("step", [lambda wanted: wanted, lambda _: 1], ids=["at once", "octet by octet"])
def test_a_header_names_the_client_and_nothing_behind_it_is_taken(
    octets: bytes, origin: Origin, step: Callable[[int], int]
) -> None:
    header, left = read(octets + BEHIND, step)

    assert header.ended
    assert header.origin == origin
    assert left == BEHIND


@pytest.mark.parametrize("octets", NAMELESS.values(), ids=list(NAMELESS))
def test_a_header_without_a_client_is_read_to_its_end(octets: bytes) -> None:
    header, left = read(octets + BEHIND)

    assert header.ended
    assert header.origin is None
    assert left == BEHIND


@pytest.mark.parametrize("octets", BAD.values(), ids=list(BAD))
def test_whatever_is_no_header_is_refused(octets: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(octets)


@pytest.mark.parametrize("octets", [*NAMELESS.values(), *(octets for octets, _ in NAMED.values())])
def test_a_header_cut_short_is_waited_for(octets: bytes) -> None:
    for length in range(0, len(octets), 1 + len(octets) // 50):
        header, left = read(octets[:length])
        assert not header.ended
        assert left == b""
        assert header.wanted > 0


@given(
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ::1 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
    st.binary(max_size=300),
)
def test_no_octets_end_otherwise_than_in_a_header_or_its_error(beginning: bytes, more: bytes) -> None:
    try:
        header, left = read(beginning + more)
    except ProxyHeaderError:
        return
    taken = len(beginning + more) - len(left)
    assert taken <= (V1_OCTETS_MAX if beginning.startswith(b"PROXY") else V2_OCTETS_MAX)
    assert header.ended or not left


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 65535))
def test_the_header_that_goes_up_says_what_came_in(source: IPAddress, destination: IPAddress, port: int) -> None:
    origin = origin_of((str(source), port), (str(destination), 587))
    assert origin is not None

    header, left = read(origin.proxy_header)

    assert header.ended
    assert left == b""
    assert header.origin is not None
    assert (header.origin.source, header.origin.source_port) == (origin.source, port)
    if origin.source.version == origin.destination.version:
        assert header.origin == origin
    else:
        assert header.origin.destination.is_unspecified
