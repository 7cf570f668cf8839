"""Where the mail server is, if the settings name its domain, and what its certificate must be there.

By domain: the SRV records of the submission services (RFC 6186; RFC 8314, 5.1), those with implicit TLS first; if the
domain has neither service, its MX records, and without these its own addresses (RFC 5321, 5.1). TLS always, and the
certificate always checked. Whoever can forge the DNS decides about hosts, but not about names: unless the answer was
validated, the certificate must bear the *domain*; if it was, the name of the host (RFC 6186, 6; RFC 7817, 3). With DANE
the host's own validated TLSA records decide (RFC 7672; RFC 7673), and where there are none the certificate is checked
as without DANE: mail never goes over a line that is merely encrypted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.IN.SRV import SRV

from smtpguard.upstream import UpstreamError
from smtpguard.upstream.dane import Proof, handshake_context, usable
from smtpguard.upstream.resolution import Found, Resolver
from smtpguard.upstream.target import Opened, Target

# Postfix tries five hosts of a domain (smtp_mx_session_limit counts two that answered, smtp_mx_address_limit five
# addresses); more cannot all be tried within `timeouts.upstream_connect`.
PLACES_MAX = 8
ADDRESSES_MAX = 4
# A place that could not be had is tried last for so long: else each member would wait for its share of the time.
AILING_SECONDS = 60.0
# What was said or found out about so many hosts is remembered; their names come from the DNS.
REMEMBERED_MAX = 64
SMTP_PORT = 25

# RFC 1123, 2.1, and the underscores that occur; anything else in a record is no host that could have a certificate.
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A server that may be the right one. `name` is what its certificate must bear if DANE says nothing; `secure` is
    true if nobody can have forged that this is the place."""

    host: str
    port: int
    tls: str
    name: str
    secure: bool


class DnsLocator:
    """Finds the server of `domain`; without one, the addresses and TLSA records of the target's own host.

    `tell` gets a sentence for the admin where DANE is wanted and cannot be had.
    """

    def __init__(
        self, resolver: Resolver, *, domain: str | None = None, dane: bool = False, tell: Callable[[str], None]
    ) -> None:
        self._resolver = resolver
        self._domain = domain
        self._dane = dane
        self._tell = tell
        self._told: dict[str, str] = {}
        self._ailing: dict[Place, float] = {}
        self._handshakes = handshake_context()

    async def connect(self, target: Target, opener: Callable[..., Awaitable[Opened]]) -> Opened:
        """Open a connection to the first place that answers with a 220, all within the target's `timeouts.connect`.

        Certificates behind STARTTLS are looked at later, when the client has said EHLO: then no other place is tried.
        Raises UpstreamError if none does; its `reply` is the first greeting that refused.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + target.timeouts.connect
        troubles: list[UpstreamError] = []
        try:
            async with asyncio.timeout_at(deadline):
                places = await self.places(target)
        except TimeoutError:
            raise UpstreamError("the mail server could not be found in time: the DNS does not answer") from None
        places.sort(key=lambda each: self._ailing.get(each, 0.0) > loop.time())
        for number, place in enumerate(places, 1):
            remaining = len(places) - number
            until = loop.time() + (deadline - loop.time()) / (remaining + 1)
            connection = await self._try(place, target, opener, until, troubles, last=not remaining)
            if connection is not None:
                self._ailing.pop(place, None)
                return connection
            if len(self._ailing) >= REMEMBERED_MAX:
                self._ailing.clear()
            self._ailing[place] = loop.time() + AILING_SECONDS
        raise next((each for each in troubles if each.reply is not None), troubles[0])

    async def _try(
        self,
        place: Place,
        target: Target,
        opener: Callable[..., Awaitable[Opened]],
        until: float,
        troubles: list[UpstreamError],
        *,
        last: bool,
    ) -> Opened | None:
        """A connection to one of the place's addresses, before `until`; None, and why in `troubles`, if there is none.

        The very last of all may take its time for the greeting, as it may where there is only one.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(until):
                routes = await self.routes(place, target)
        except TimeoutError:
            troubles.append(UpstreamError(f"the DNS does not answer in time about {place.host}"))
            return None
        except UpstreamError as error:
            troubles.append(error)
            return None
        for number, route in enumerate(routes, 1):
            remaining = len(routes) - number
            seconds = max(0.0, (until - loop.time()) / (remaining + 1))
            try:
                async with asyncio.timeout(None if last and not remaining else seconds):
                    return await opener(route, seconds=seconds)
            except TimeoutError:
                troubles.append(UpstreamError(f"{place.host} does not answer in time"))
            except UpstreamError as error:
                troubles.append(error)
        return None

    # ------------------------------------------------------------ services and hosts

    async def places(self, target: Target) -> list[Place]:
        """Where to try, in order; drawn anew each time, by the weights (RFC 2782). Raises UpstreamError if nowhere."""
        domain = self._domain
        if domain is None:
            host = target.host.rstrip(".").lower()
            return [Place(host, target.port, target.tls, target.host, secure=True)]
        kinds = {"_submissions": "implicit"} if target.tls == "implicit" else _SERVICES
        found = await asyncio.gather(*(self._resolver.look_up(f"{each}._tcp.{domain}", "SRV") for each in kinds))
        places = list(
            chain.from_iterable(_services(each, tls, domain) for each, tls in zip(found, kinds.values(), strict=True))
        )
        if not places:
            if any(each.records for each in found):
                raise UpstreamError(f"{domain} says that it has no submission service")
            if target.tls == "implicit":
                raise UpstreamError(f"{domain} names no submission service with implicit TLS (_submissions._tcp)")
            places = await self._exchangers(domain, denied=all(each.secure for each in found))
        return places[:PLACES_MAX]

    async def _exchangers(self, domain: str, *, denied: bool) -> list[Place]:
        """The hosts of the MX records. `denied` says that there is no SRV record for sure."""
        found = await self._resolver.look_up(domain, "MX")
        secure = found.secure and denied
        if not found.records:
            return [Place(domain, SMTP_PORT, "starttls", domain, secure)]
        hosts = [_host(each.exchange) for each in _ordered(found) if isinstance(each, MX)]
        # RFC 7505: "." alone is a domain that takes no mail.
        places = [Place(each, SMTP_PORT, "starttls", each if secure else domain, secure) for each in hosts if each]
        if not places:
            raise UpstreamError(f"{domain} says that it takes no mail")
        return places

    # ------------------------------------------------------------ addresses and certificates

    async def routes(self, place: Place, target: Target) -> list[Target]:
        """`place` as targets that can be connected to, one for each address. Raises UpstreamError if there is none."""
        kinds = ("AAAA", "A")
        answers = await asyncio.gather(
            *(self._resolver.look_up(place.host, each) for each in kinds), return_exceptions=True
        )
        found = [each for each in answers if isinstance(each, Found)]
        addresses = [_addresses(each) for each in found]
        mixed = [each for pair in zip_longest(*addresses) for each in pair if each is not None][:ADDRESSES_MAX]
        if not mixed:
            failed = next((each for each in answers if isinstance(each, BaseException)), None)
            raise failed or UpstreamError(f"{place.host} has no address in the DNS")
        route = replace(target, host=place.name, port=place.port, tls=place.tls, locator=None)
        if self._dane:
            route = await self._by_dane(route, place, [each for each in found if each.records])
        return [replace(route, address=each) for each in mixed]

    async def _by_dane(self, route: Target, place: Place, addresses: Sequence[Found]) -> Target:
        """`route` with the proof that the place's TLSA records ask for; as it is if there are none.

        Raises UpstreamError if there is no answer about them, which is also what a forged answer looks like: then no
        mail goes there (RFC 7672, 2.1.3).
        """
        why = "the DNS answer that names the host is not validated"
        for base in await self._bases(place, addresses) if place.secure else ():
            found = await self._resolver.look_up(f"_{place.port}._tcp.{base}", "TLSA")
            if not found.records:
                why = "it has no TLSA records" if found.secure else "the absence of its TLSA records is not validated"
                continue
            if not found.secure:
                why = "its TLSA records are not validated"
                continue
            records = usable(each for each in found.records if isinstance(each, TLSA))
            if not records:
                why = "none of its TLSA records can be used (usage 2 or 3, selector 0 or 1, matching 0, 1 or 2)"
                break
            self._say(place.host, "")
            names = (base, place.host, self._domain or place.host)
            return replace(route, host=base, context=self._handshakes, proof=Proof(records, names))
        self._say(place.host, f"no DANE for {place.host}: {why}; its certificate is checked by the authorities instead")
        return route

    async def _bases(self, place: Place, addresses: Sequence[Found]) -> list[str]:
        """The names below which TLSA records count, the host's final name first (RFC 7672, 2.2.1 to 2.2.3).

        Where neither an alias nor the addresses are validated, nothing is asked: many name servers of unsigned zones
        fail at questions for TLSA, and would look forged.
        """
        names = [each.name for each in addresses]
        alias = next((each for each in names if each != place.host), None)
        if all(each.secure for each in addresses):
            return [place.host] if alias is None else [alias, place.host]
        if alias is None:
            return []
        cname = await self._resolver.look_up(place.host, "CNAME")
        return [place.host] if cname.secure else []

    def _say(self, host: str, text: str) -> None:
        """Once for each host, and again when it changes."""
        if self._told.get(host, "") == text:
            return
        if len(self._told) >= REMEMBERED_MAX:
            self._told.clear()
        self._told[host] = text
        if text:
            self._tell(text)


_SERVICES = {"_submissions": "implicit", "_submission": "starttls"}


def _services(found: Found, tls: str, domain: str) -> list[Place]:
    """The places of one service. The root as target says that there is none (RFC 2782)."""
    places = []
    for each in _ordered(found):
        host = _host(each.target) if isinstance(each, SRV) else ""
        if isinstance(each, SRV) and host and each.port:
            places.append(Place(host, each.port, tls, host if found.secure else domain, found.secure))
    return places


def _ordered(found: Found) -> list[Rdata]:
    """By preference, or by priority and weight with chance."""
    return [] if found.records is None else list(found.records.processing_order())


def _host(name: object) -> str:
    """A domain name of a record in lower case, without the final dot; empty for the root and for what is no host."""
    text = str(name).rstrip(".").lower()
    return text if _HOST.fullmatch(text) else ""


def _addresses(found: Found) -> list[str]:
    return [] if found.records is None else [str(getattr(each, "address", "")) for each in found.records]
