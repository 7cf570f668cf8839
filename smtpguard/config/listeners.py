"""The doors of smtpguard.yaml: `listeners`, one model for each kind, the page, and the port for monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from smtpguard.config.places import Domain, Door, HostPort, Network, PageAddress, PassedSocket
from smtpguard.config.sections import OwnNetworks, Section, TlsMode
from smtpguard.config.values import mistake, one_or_many


class SubmissionListener(Section):
    """A door for members' mail programs (RFC 6409)."""

    kind: Literal["submission"]
    listen: Door
    tls: TlsMode = "starttls"
    auth: Literal["required", "optional"] = "required"
    auth_without_tls: Literal["never", "loopback", "always"] = "loopback"
    proxy_protocol: OwnNetworks = ()

    @model_validator(mode="after")
    def _can_log_in(self) -> SubmissionListener:
        if self.tls == "none" and self.auth == "required" and self.auth_without_tls == "never":
            raise mistake("nobody can log in here: without TLS, AUTH is never offered.", "auth_without_tls")
        return self


class FilterListener(Section):
    """A door for a mail server in front: behind Postfix's smtpd_proxy_filter."""

    kind: Literal["filter"]
    listen: Door
    tls: TlsMode = "none"
    trust: Annotated[OwnNetworks, Field(min_length=1)] = (IPv4Network("127.0.0.1/32"),)
    account_from: Literal["received", "xclient"] = "received"
    received_by: Domain | None = None
    upstream: HostPort | None = None
    upstream_tls: TlsMode = "none"

    @model_validator(mode="after")
    def _knows_its_front(self) -> FilterListener:
        if self.account_from == "received" and self.received_by is None:
            text = "the host that writes the Received field in which the account stands (Postfix: myhostname)"
            raise mistake(f'"received_by" is missing: it names {text}.')
        if self.account_from == "xclient" and self.received_by is not None:
            raise mistake('no Received field is read with "account_from: xclient". Delete this line.', "received_by")
        if self.upstream is None and "upstream_tls" in self.model_fields_set:
            text = '"upstream_tls" belongs to the "upstream" of this listener, which is missing.'
            raise mistake(text, "upstream_tls")
        if self.upstream == self.listen:
            raise mistake("this is the listener itself: mail would go round. Name the re-entry port.", "upstream")
        return self


class AnswersListener(Section):
    """The door by which the mail server hands on mail for the guard domain."""

    kind: Literal["answers"]
    listen: Door
    protocol: Literal["smtp", "lmtp"] = "smtp"
    tls: TlsMode = "none"
    trust: Annotated[tuple[Network, ...], BeforeValidator(one_or_many)] = (IPv4Network("127.0.0.1/32"),)


class TapListener(Section):
    """A door for copies of mail that comes in and of list posts: remembered, never relayed."""

    kind: Literal["tap"]
    listen: Door
    protocol: Literal["smtp", "lmtp"] = "smtp"
    tls: TlsMode = "none"
    trust: Annotated[OwnNetworks, Field(min_length=1)] = (IPv4Network("127.0.0.1/32"),)
    list_server: OwnNetworks = ()

    @model_validator(mode="after")
    def _lets_the_list_server_in(self) -> TapListener:
        for number, each in enumerate(self.list_server):
            if not any(_lies_in(each, other) for other in self.trust):
                raise mistake('the list server cannot connect here: "trust" does not name it.', "list_server", number)
        return self


def _lies_in(inner: Network, outer: Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


Listener = Annotated[SubmissionListener | FilterListener | AnswersListener | TapListener, Field(discriminator="kind")]


class WebSettings(Section):
    """The page on which senders answer. `show` is for sites with shared mailboxes (THREAT-MODEL T-20)."""

    show: Literal["full", "view", "off"] = "full"
    listen: PageAddress
    forwarded_from: OwnNetworks = (IPv4Network("127.0.0.1/32"),)


class MetricsSettings(Section):
    """Where monitoring asks: /metrics, /healthz and /readyz."""

    listen: PageAddress


def refuse_sockets_taken_twice(listeners: Sequence[Listener], web: WebSettings | None) -> None:
    """Raises a mistake at the second door that names a socket of systemd's."""
    seen: set[PassedSocket] = set()
    places: list[tuple[object, tuple[str | int, ...]]] = [
        (each.listen, ("listeners", number, "listen")) for number, each in enumerate(listeners)
    ]
    if web is not None:
        places.append((web.listen, ("web", "listen")))
    for listen, place in places:
        if isinstance(listen, PassedSocket):
            if listen in seen:
                raise mistake(f'"{listen}" is taken by another listener. Each needs a socket of its own.', *place)
            seen.add(listen)
