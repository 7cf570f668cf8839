"""A name server for tests, on loopback, by UDP and TCP, that sets the AD bit or not, fails, or keeps silent.

    async with NameServer() as dns:
        dns.add("_submissions._tcp.example.test", "SRV", "0 0 465 mail.example.test.")
        dns.add("mail.example.test", "A", "127.0.0.1")
        dns.signed.add("example.test")
        ... Resolver(dns.configuration(tmp_path), dns.port) ...

It answers as a validating resolver does: what lies in a zone of `signed` has the AD bit, if all of the answer does.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL = 600


class NameServer:
    """See the module's text. `asked` counts questions by (name, kind), `by_tcp` those that came by TCP."""

    def __init__(self) -> None:
        self.port = 0
        self.ttl = TTL
        self.signed: set[str] = set()
        self.unsigned: set[str] = set()
        """Zones within signed ones that are not."""
        self.failing: set[str] = set()
        """Names that get SERVFAIL: of the server itself, or because the answer is not what was signed."""
        self.silent: set[str] = set()
        self.raw: dict[str, bytes] = {}
        """Names that get these octets behind the id of their question, whatever they are."""
        self.truncating = False
        self.cut_short: set[str] = set()
        """Names whose answers are cut short by TCP, too."""
        self.asked: Counter[tuple[str, str]] = Counter()
        self.by_tcp: list[str] = []
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], list[str]] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    def add(self, name: str, kind: str, *values: str) -> None:
        """Records as in a zone file, without the name; names in them are absolute. `hex 00ff`: octets as they are."""
        key = (dns.name.from_text(name), dns.rdatatype.from_text(kind))
        self._records.setdefault(key, []).extend(values)

    def remove(self, name: str, kind: str) -> None:
        del self._records[dns.name.from_text(name), dns.rdatatype.from_text(kind)]

    def configuration(self, folder: Path, *lines: str, nameserver: str = "127.0.0.1") -> Path:
        """A resolv.conf that names this server."""
        path = folder / "resolv.conf"
        path.write_text("\n".join([f"nameserver {nameserver}", *lines, ""]), "utf-8")
        return path

    async def __aenter__(self) -> NameServer:
        loop = asyncio.get_running_loop()
        for _ in range(50):
            self._udp, _protocol = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=("127.0.0.1", 0)
            )
            self.port = self._udp.get_extra_info("sockname")[1]
            try:
                self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", self.port)
            except OSError:  # somebody else has this port for TCP
                self._udp.close()
                continue
            return self
        raise RuntimeError("no port is free for both UDP and TCP")

    async def __aexit__(self, *_: object) -> None:
        assert self._udp is not None
        assert self._tcp is not None
        self._udp.close()
        self._tcp.close()
        await asyncio.sleep(0)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            reply = self.reply(await reader.readexactly(length), by_tcp=True)
            if reply is not None:
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def reply(self, octets: bytes, *, by_tcp: bool) -> bytes | None:
        """The answer to one query; None if nothing is to be said."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked[name, dns.rdatatype.to_text(question.rdtype)] += 1
        if by_tcp:
            self.by_tcp.append(name)
        if name in self.silent:
            return None
        if name in self.raw:
            return octets[:2] + self.raw[name]
        response = dns.message.make_response(query, recursion_available=True)
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif (self.truncating and not by_tcp) or name in self.cut_short:
            response.flags |= dns.flags.TC
        else:
            self._fill(response, question.name, question.rdtype)
        wants = bool(query.flags & dns.flags.AD) or bool(query.ednsflags & dns.flags.DO)
        names = [question.name, *(each.name for each in response.answer)]
        if wants and response.rcode() != dns.rcode.SERVFAIL and all(map(self._is_signed, names)):
            response.flags |= dns.flags.AD
        try:
            return response.to_wire(max_size=65535 if by_tcp else 0)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        for _ in range(8):
            values = self._records.get((name, kind))
            alias = self._records.get((name, dns.rdatatype.CNAME))
            if values:
                response.answer.append(self._rrset(name, kind, values))
                return
            if not alias or kind == dns.rdatatype.CNAME:
                break
            response.answer.append(dns.rrset.from_text(name, self.ttl, dns.rdataclass.IN, "CNAME", *alias))
            name = dns.name.from_text(alias[0])
        if not any(known == name or known.is_subdomain(name) for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _rrset(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, values: list[str]) -> dns.rrset.RRset:
        if values[0].startswith("hex "):
            octets = bytes.fromhex(values[0][4:])
            return dns.rrset.from_rdata(name, self.ttl, dns.rdata.GenericRdata(dns.rdataclass.IN, kind, octets))
        return dns.rrset.from_text(name, self.ttl, dns.rdataclass.IN, kind, *values)

    def _is_signed(self, name: dns.name.Name) -> bool:
        signed, unsigned = (
            any(name.is_subdomain(dns.name.from_text(zone)) for zone in zones) for zones in (self.signed, self.unsigned)
        )
        return signed and not unsigned


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            reply = self._server.reply(data, by_tcp=False)
        except dns.exception.DNSException:
            return
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)
