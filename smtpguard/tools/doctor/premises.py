"""What is looked at: the settings, and what the checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509

from smtpguard.accounts import Directory
from smtpguard.certificates import Certificates
from smtpguard.config.places import Endpoint
from smtpguard.config.settings import Settings
from smtpguard.doors import own_name
from smtpguard.upstream.resolution import Resolver
from smtpguard.upstream.target import Target, Timeouts

# An admin waits for this; a mail server that needs longer than that for a reply is not well.
PATIENCE = Timeouts(connect=15, reply=20, final=20)
# Certificates are renewed a month before they end, as a rule: whatever comes below this was forgotten, or has failed.
DAYS_WARNING = 14
# Top-level names that are in no public DNS (RFC 6761; RFC 6762; RFC 8375; ICANN's `internal`; usual on intranets).
_PRIVATE_NAMES = frozenset({"test", "example", "invalid", "localhost", "local", "internal", "arpa", "lan", "home"})


@dataclass(frozen=True, slots=True)
class ProofAccount:
    """An account that the admin vouches for, to see what it may do; `other` is an address that is not its own."""

    login: str = field(repr=False)
    password: str = field(repr=False)
    other: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Premises:
    """A guard's settings and what the checks need besides.

    `outside` is where mail from outside comes in; None: port 25 of the hosts that the DNS names for the guard domain.
    """

    settings: Settings
    directory: Directory
    now: datetime
    certificates: Certificates = field(default_factory=Certificates)
    resolver: Resolver = field(default_factory=Resolver)
    account: ProofAccount | None = None
    outside: Endpoint | None = None

    @property
    def own_name(self) -> str:
        """The name that the guard says EHLO with."""
        return own_name(self.settings)


def patient(target: Target) -> Target:
    """`target`, waited for as long as an admin waits."""
    return replace(target, timeouts=PATIENCE)


def is_public_name(domain: str) -> bool:
    """False for a name that no public DNS has."""
    labels = domain.rstrip(".").lower().split(".")
    return len(labels) > 1 and labels[-1] not in _PRIVATE_NAMES


def days_left(certificate: x509.Certificate, now: datetime) -> int:
    """Whole days until it ends; negative once it has."""
    return (certificate.not_valid_after_utc - now).days


def names_in(certificate: x509.Certificate) -> Sequence[str]:
    """The names and addresses that it is for (RFC 9525, 6.1: the subject's common name does not count)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *found.get_values_for_type(x509.DNSName),
        *(str(each) for each in found.get_values_for_type(x509.IPAddress)),
    )
