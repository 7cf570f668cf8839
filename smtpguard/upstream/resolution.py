"""Questions to the DNS, with their answers kept as long as they say, and whether they may be believed.

Believed is what a validating resolver has checked, and says so by the AD bit (RFC 4035, 3.2.3; RFC 6840, 5.7). That bit
is worth no more than the way it came by, so it counts only if every name server in resolv.conf is on this machine, or
if the admin has vouched for them there (`options trust-ad`, resolv.conf(5)).
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdataset
import dns.resolver

from smtpguard.upstream import UpstreamError

RESOLV_CONF = "/etc/resolv.conf"
DNS_PORT = 53
# One question with all its tries, also by TCP; the whole search is within `timeouts.upstream_connect` besides.
QUESTION_SECONDS = 10.0
# A TTL of 0 or of weeks: every member's connection asks, and a changed record must be seen on the same day.
TTL_MIN_SECONDS = 30.0
TTL_MAX_SECONDS = 3600.0
# RFC 9520, 3.2: a failure is kept for at least a second and at most five minutes, so that nobody floods what is ill.
FAILURE_SECONDS = 5.0
# One domain has a few services and hosts; the names come from its records, so they are bounded.
QUESTIONS_MAX = 256
# RFC 9715, 3.2: larger answers come by TCP instead of in fragments, which can be forged.
UDP_OCTETS = 1232


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one question. `records` is None if there are none (then `secure` is about that).

    `name` is what the question's name is an alias of, without the final dot, or that name itself; `secure` is true if a
    trusted resolver has validated all of the answer, aliases among it.
    """

    name: str
    secure: bool
    records: dns.rdataset.Rdataset | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out, or why nothing was, and until when that counts (the event loop's time)."""

    until: float
    found: Found | None
    trouble: str = ""


class Resolver:
    """Asks the name servers of `configuration`, read anew for each question, at `port`.

    The same question is asked once at a time, whoever waits for it.
    """

    def __init__(self, configuration: str | Path | None = None, port: int | None = None) -> None:
        self._configuration = str(RESOLV_CONF if configuration is None else configuration)
        self._port = DNS_PORT if port is None else port
        self._known: dict[tuple[str, str], _Known] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[_Known]] = {}

    async def look_up(self, name: str, kind: str) -> Found:
        """The records of `name` of one `kind` (A, SRV, TLSA ...); that there are none is an answer, too.

        Raises UpstreamError if there is no answer: no server, no time, SERVFAIL, which is also what a validating
        resolver says about a forged one (RFC 4035, 5.5).
        """
        question = (name.lower().rstrip("."), kind)
        known = self._known.get(question)
        if known is None or known.until <= asyncio.get_running_loop().time():
            # Shielded: whoever gives up waiting must not take the answer away from the others.
            known = await asyncio.shield(self._asked(question))
        if known.found is None:
            raise UpstreamError(f"the DNS gives no answer about {name} {kind}: {known.trouble}")
        return known.found

    def _asked(self, question: tuple[str, str]) -> asyncio.Task[_Known]:
        task = self._asking.get(question)
        if task is None:
            task = self._asking[question] = asyncio.create_task(self._ask(question))
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        return task

    async def _ask(self, question: tuple[str, str]) -> _Known:
        name, kind = question
        trouble = ""
        answer = response = None
        believed = False
        try:
            resolver, believed = self._resolver()
            answer = await resolver.resolve(
                dns.name.from_text(name), kind, raise_on_no_answer=False, lifetime=QUESTION_SECONDS, search=False
            )
            response = answer.response
        except dns.resolver.NXDOMAIN as error:
            response = error.kwargs["responses"].get(dns.name.from_text(name))
        except (dns.exception.DNSException, OSError, ValueError) as error:  # ValueError: a name server that is none
            trouble = _spoken(error)
        now = asyncio.get_running_loop().time()
        if response is not None and response.flags & dns.flags.TC:
            # Cut short by TCP, too: what is left of it must not pass for all there is.
            response, trouble = None, "the answer is cut short"
        if response is None:
            known = _Known(now + FAILURE_SECONDS, None, trouble or "the answer is empty")
        else:
            known = _understood(now, name, response, believed, None if answer is None else answer.rrset)
        self._keep(question, known, now)
        return known

    def _resolver(self) -> tuple[dns.asyncresolver.Resolver, bool]:
        """A resolver as resolv.conf says now, and whether its AD bits are believed."""
        resolver = dns.asyncresolver.Resolver(self._configuration)
        resolver.port = self._port
        # Both ways to ask for the AD bit: some resolvers know only DO (RFC 6840, 5.7).
        resolver.flags = dns.flags.RD | dns.flags.AD
        resolver.use_edns(0, dns.flags.DO, UDP_OCTETS)
        return resolver, all(map(_is_here, resolver.nameservers)) or _vouched_for(self._configuration)

    def _keep(self, question: tuple[str, str], known: _Known, now: float) -> None:
        self._known.pop(question, None)
        if len(self._known) >= QUESTIONS_MAX:
            self._known = {key: each for key, each in self._known.items() if each.until > now}
        if len(self._known) >= QUESTIONS_MAX:
            del self._known[next(iter(self._known))]
        self._known[question] = known


def _understood(
    now: float, name: str, response: dns.message.Message, believed: bool, records: dns.rdataset.Rdataset | None
) -> _Known:
    secure = believed and bool(response.flags & dns.flags.AD)
    seconds, canonical = TTL_MIN_SECONDS, name
    if isinstance(response, dns.message.QueryMessage):
        chain = response.resolve_chaining()
        seconds, canonical = chain.minimum_ttl, chain.canonical_name.to_text(omit_final_dot=True).lower()
    kept = min(max(seconds, TTL_MIN_SECONDS), TTL_MAX_SECONDS)
    return _Known(now + kept, Found(canonical, secure, records))


def _is_here(nameserver: object) -> bool:
    try:
        return ipaddress.ip_address(str(nameserver)).is_loopback
    except ValueError:
        return False


def _vouched_for(configuration: str) -> bool:
    """True if resolv.conf has `options trust-ad`."""
    try:
        lines = Path(configuration).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(words[0] == "options" and "trust-ad" in words[1:] for words in map(str.split, lines) if words)


def _spoken(error: Exception) -> str:
    """Words for a log line. dnspython's own repeat all that was tried, over several lines."""
    if isinstance(error, dns.exception.Timeout):
        return "no name server has answered in time"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the name servers have failed, or the answer is not what its zone has signed"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "no name server is configured"
    return type(error).__name__
