"""The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a balancer says before its client speaks.

Sans-IO and exact: it says how many octets it may be given next, so that none of what stands behind the header, which
may be the first record of a TLS handshake, is ever taken out of the socket. aiosmtpd's reader of these headers was
looked at and not taken: it reads as it likes from a stream, has no bound for version 2, takes what the protocol forbids
(`TCPx4`, ports like 1_0, datagrams), and logs by itself.
"""

from __future__ import annotations

import ipaddress
import re
import struct

from smtpguard.upstream.origin import IPAddress, Origin, ip_address

# 2.1: the longest line of version 1 has 107 octets, CRLF included.
V1_OCTETS_MAX = 107
# Behind the addresses of version 2 stand TLVs, which nobody here reads; real ones have some hundred octets.
V2_OCTETS_MAX = 4096

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE = b"PROXY "
# The shortest header there is, of either version: "PROXY UNKNOWN" and CRLF.
_SHORTEST = 15
_V2_FIXED = struct.Struct("!12sBBH")
_V2_FAMILIES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
# UNSPEC, and a Unix socket: the client has no address that we could use.
_V2_NAMELESS = frozenset({0x00, 0x31})
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")


class ProxyHeaderError(ValueError):
    """What came is no PROXY header."""


class ProxyHeader:
    """One header, octet by octet. `origin` is the client's once `ended`; None if the header names no client."""

    def __init__(self) -> None:
        self.ended = False
        self.origin: Origin | None = None
        self._octets = bytearray()

    @property
    def begun(self) -> bool:
        """True if anything has come."""
        return bool(self._octets)

    @property
    def wanted(self) -> int:
        """How many octets may be given next, at least one until `ended`; all of them belong to the header."""
        octets = self._octets
        if len(octets) < _SHORTEST:
            return _SHORTEST - len(octets)
        if octets.startswith(_LINE):
            return 1 if octets.endswith(b"\r") else 2
        if len(octets) < _V2_FIXED.size:
            return _V2_FIXED.size - len(octets)
        return self._whole_v2() - len(octets)

    def feed(self, data: bytes) -> None:
        """Take octets, at most `wanted`. Raises ProxyHeaderError as soon as they can be no header any more."""
        self._octets += data
        octets = self._octets
        if not (_begins_alike(octets, _LINE) or _begins_alike(octets, _SIGNATURE)):
            raise ProxyHeaderError("neither version")
        if octets.startswith(_LINE):
            self._look_at_line()
        elif len(octets) >= _V2_FIXED.size and len(octets) == self._whole_v2():
            self.origin = _v2(bytes(octets))
            self.ended = True

    def _look_at_line(self) -> None:
        octets = self._octets
        if octets.endswith(b"\r\n"):
            self.origin = _v1(bytes(octets[:-2]))
            self.ended = True
        elif b"\n" in octets or b"\r" in octets[:-1] or len(octets) >= V1_OCTETS_MAX:
            raise ProxyHeaderError("a line that does not end")

    def _whole_v2(self) -> int:
        whole: int = _V2_FIXED.size + _V2_FIXED.unpack_from(self._octets)[3]
        if whole > V2_OCTETS_MAX:
            raise ProxyHeaderError("too long")
        return whole


def _begins_alike(octets: bytearray, beginning: bytes) -> bool:
    return octets.startswith(beginning[: len(octets)])


def _v1(line: bytes) -> Origin | None:
    """Version 1: `PROXY TCP4 source destination source-port destination-port`, or `PROXY UNKNOWN` and anything."""
    words = line.decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return None
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise ProxyHeaderError("no words of version 1")
    make = ipaddress.IPv4Address if words[1] == "TCP4" else ipaddress.IPv6Address
    if "%" in line.decode("latin-1") or not all(_PORT.fullmatch(word) and int(word) <= 65535 for word in words[4:]):
        raise ProxyHeaderError("no addresses and ports")
    try:
        source, destination = make(words[2]), make(words[3])
    except ValueError:
        raise ProxyHeaderError("no addresses") from None
    return _origin(source, int(words[4]), destination, int(words[5]))


def _v2(octets: bytes) -> Origin | None:
    _, version_command, family, length = _V2_FIXED.unpack_from(octets)
    if version_command == 0x20:
        # LOCAL: the balancer itself, looking whether we are well. What it says about addresses is not to be read.
        return None
    if version_command != 0x21:
        raise ProxyHeaderError("no command of version 2")
    if family in _V2_NAMELESS:
        return None
    addresses = _V2_FAMILIES.get(family)
    if addresses is None or length < addresses.size:
        raise ProxyHeaderError("no addresses of TCP")
    source, destination, source_port, destination_port = addresses.unpack_from(octets, _V2_FIXED.size)
    return _origin(ipaddress.ip_address(source), source_port, ipaddress.ip_address(destination), destination_port)


def _origin(source: IPAddress, source_port: int, destination: IPAddress, destination_port: int) -> Origin:
    """IPv4 mapped into IPv6 is IPv4, as everywhere: one client must not be two."""
    return Origin(
        ip_address(str(source)) or source, source_port, ip_address(str(destination)) or destination, destination_port
    )
