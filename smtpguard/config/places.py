"""Words to places: hosts, networks, domains, mail addresses and the names of files.

The form alone is checked. Nothing is looked up and no file is opened: `check` must say the same on every machine.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import BeforeValidator, PlainValidator, ValidationInfo

from smtpguard.config.mistakes import NO_SPACE_AFTER_DASH_TEXT
from smtpguard.config.problems import quoted_value
from smtpguard.config.reader import Scalar
from smtpguard.config.values import is_null, mistake, read_text, without_unseen
from smtpguard.mail.address import Address, domain_normal, parse_address

# Checking one takes longer than reading its line, and a reload meets the same addresses again: those of 5,000 lists.
ADDRESSES_KNOWN_MAX = 20_000
# A file's name is passed to the system as it is; PATH_MAX of Linux.
PATH_CHARACTERS_MAX = 4096

# sockaddr_un of Linux takes 108 with the final zero (unix(7)).
SOCKET_OCTETS_MAX = 107

# systemd.socket(5): at most 255 ASCII characters and no colon; blanks would be taken for something else in log lines.
_SOCKET_NAME = re.compile(r"[A-Za-z0-9@._-]{1,255}")
_HOST_PORT = re.compile(r"(?:\[(?P<six>[^\]\s]+)\]|(?P<host>[^:\[\]\s/]+)):(?P<port>[0-9]{1,5})")
_BRACKETED = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# RFC 6761 and 6762 set these apart; an intranet may well have a mail server called mail.local. validate_email refuses
# them, as it refuses names without a dot, so they are checked below a name that it takes.
_INTRANET = frozenset({"local", "localhost", "internal", "intranet", "invalid", "lan", "home", "corp", "arpa"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host (name, IPv4 or IPv6 address without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """True if the host is an IP address."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_loopback(self) -> bool:
        """True if what is sent there does not leave the machine."""
        if self.host.lower().rstrip(".") == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


@dataclass(frozen=True, slots=True)
class SocketFile:
    """A socket of the file system, for a web server on the same machine."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class PassedSocket:
    """A socket that systemd opens and passes by this name (systemd.socket(5), FileDescriptorName=)."""

    name: str

    def __str__(self) -> str:
        return f"fd:{self.name}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where relative names of files start, and where secrets may lie ($CREDENTIALS_DIRECTORY, systemd.exec(5))."""

    folder: Path
    credentials: Path | None = None


def read_endpoint(value: object, info: ValidationInfo) -> Endpoint:
    """`"HOST:PORT"` or `"[IPv6]:PORT"`."""
    if isinstance(value, Endpoint):
        return value
    # No reader takes "HOST:PORT" for anything else; a bare port is told what it lacks, not that it lacks quotes.
    found = _endpoint(read_text(str(value) if isinstance(value, Scalar) and not is_null(value) else value, info))
    if isinstance(found, str):
        raise mistake(found)
    return found


def read_door(value: object, info: ValidationInfo) -> Endpoint | PassedSocket:
    """`"HOST:PORT"`, or `"fd:NAME"` for a socket that systemd passes."""
    if isinstance(value, PassedSocket):
        return value
    text = str(value)
    if not text.startswith("fd:"):
        return read_endpoint(value, info)
    name = text.removeprefix("fd:")
    if _SOCKET_NAME.fullmatch(name) is None:
        raise mistake('write the FileDescriptorName of a socket unit behind "fd:", for example "fd:submission".')
    return PassedSocket(name)


def read_page_address(value: object, info: ValidationInfo) -> Endpoint | SocketFile | PassedSocket:
    """`"HOST:PORT"`, `"unix:/PATH"` for a socket of the file system, or `"fd:NAME"` for one that systemd passes."""
    if isinstance(value, SocketFile):
        return value
    text = str(value)
    if not text.startswith("unix:"):
        return read_door(value, info)
    path = text.removeprefix("unix:")
    if (
        not path.startswith("/")
        or path.endswith("/")
        or len(path.encode()) > SOCKET_OCTETS_MAX
        or not path.isprintable()
    ):
        raise mistake('write a path that begins with "/", for example "unix:/run/smtpguard/web.sock".')
    return SocketFile(Path(path))


def read_page_url(value: object, info: ValidationInfo) -> str:
    """Where members reach the page: a web address without path, query and fragment; no slash at the end."""
    text = read_text(value, info)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in ("https", "http") or parts.hostname is None or not _is_page_host(parts):
        raise mistake(f'{quoted_value(text)} is no web address. Write it like "https://mailcheck.example.org".')
    if parts.path.rstrip("/") or parts.query or parts.fragment or parts.username is not None:
        raise mistake("write the web address alone: nothing behind the host.")
    if parts.scheme == "http" and not Endpoint(parts.hostname, 80).is_loopback:
        raise mistake('codes and held mail would cross the network in the open. Write "https://".')
    # RFC 6454, 4: what browsers send as Origin, in lower case and without the scheme's own port.
    six = ":" in parts.hostname
    host = f"[{ipaddress.IPv6Address(parts.hostname)}]" if six else domain_normal(parts.hostname)
    usual = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _is_page_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    # An address with a zone (fe80::1%eth0) is none in a browser.
    return Endpoint(host, 0).is_address and "%" not in host if ":" in host else _is_host(host)


def _endpoint(text: str) -> Endpoint | str:
    """The endpoint, or what is wrong with `text`."""
    if text.startswith("fd:"):
        return 'only a listener can be a socket that systemd passes. Write "HOST:PORT".'
    if text.startswith("unix:"):
        return 'sockets of the file system are for the page alone. Write "HOST:PORT".'
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        return 'write "HOST:PORT" or "[IPv6]:PORT", for example "127.0.0.1:587" or "[::1]:587".'
    port = int(match["port"])
    if match["six"] is None:
        host = match["host"]
        return Endpoint(host, port) if _is_host(host) else f"{quoted_value(host)} is no name of a host."
    try:
        return Endpoint(str(ipaddress.IPv6Address(match["six"])), port)
    except ValueError:
        return f"{quoted_value(match['six'])} is no IPv6 address."


def endpoint_of(text: str) -> Endpoint:
    """`HOST:PORT` or `[IPv6]:PORT` of a command line. Raises ValueError with a sentence for the person who typed it."""
    found = _endpoint(text)
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _is_host(host: str) -> bool:
    if re.fullmatch(r"[0-9.]+", host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return is_domain(domain_normal(host))


def is_domain(domain: str) -> bool:
    """True if `domain`, an A-label, can be the name of a host (RFC 1123, 2.1; underscores occur on intranets)."""
    return 0 < len(domain) <= 253 and all(_LABEL.fullmatch(each) for each in domain.split("."))


def read_domain(value: object, info: ValidationInfo) -> str:
    """A domain, as a lower-case A-label."""
    text = read_text(value, info)
    if len(_words(text)) > 1:
        raise mistake('two domains in one value. Write one per line with "- " in front.')
    if "@" in text:
        raise mistake(
            f"write the domain alone, without what stands before the @: {quoted_value(text.rpartition('@')[2])}."
        )
    domain = domain_normal(text)
    if not is_domain(domain):
        raise mistake(f"{quoted_value(text)} is no domain like example.org.")
    return domain


def read_address(value: object, info: ValidationInfo) -> Address:
    """A mail address that can be written to, checked by its form alone: nothing is looked up."""
    if isinstance(value, Address):
        return value
    text = read_text(value, info)
    if sum("@" in each for each in _words(text)) > 1:
        raise mistake('two addresses in one value. Write one per line with "- " in front.')
    if (inner := _BRACKETED.search(text)) is not None:
        raise mistake(f"write the address alone: {quoted_value(inner[1])}.")
    if "@" not in text.strip("@"):
        raise mistake(f"{quoted_value(text)} is no mail address: write it in full, like name@example.org.")
    if text.startswith("-"):
        raise mistake(NO_SPACE_AFTER_DASH_TEXT)
    address = parse_address(without_unseen(text))
    if address is None or not _is_address(text):
        raise mistake(f"{quoted_value(text)} is no mail address like name@example.org.")
    return address


def address_of(text: str) -> Address | None:
    """The address that `text` is, None if it is none that can be written to."""
    return parse_address(text) if _is_address(text) else None


def read_group_name(value: object, info: ValidationInfo) -> str:
    """The address of a group, where it stands in front of a colon; kept as written, so that its place is found."""
    read_address(value, info)
    return str(value)


def read_address_or_null(value: object, info: ValidationInfo) -> Address | None:
    """A mail address, or `null` where somebody is meant to have none."""
    return None if value is None or (value != "" and is_null(value)) else read_address(value, info)


@lru_cache(ADDRESSES_KNOWN_MAX)
def _is_address(text: str) -> bool:
    domain = text.rpartition("@")[2].rstrip(".")
    last = domain.rpartition(".")[2].lower()
    checked = text.rstrip(".")
    if last in _INTRANET or (last == domain and not last.isdigit()):
        checked += ".test"
    try:
        validate_email(checked, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _words(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()


def read_network(value: object, info: ValidationInfo) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """`"192.0.2.0/24"`, or one address."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value
    text = read_text(value, info)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise mistake(f'{quoted_value(text)} is no network. Write it like "192.0.2.0/24" or "2001:db8::/32".') from None
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        raise mistake(f'this network begins at another address. Write "{network}", or the one address without "/".')
    return network


def read_path(value: object, info: ValidationInfo) -> Path:
    """The name of a file or folder; a relative one starts at the settings file's folder."""
    if isinstance(value, Path):
        return value
    return _surroundings(info).folder / _path_text(value, info)


def read_secret_path(value: object, info: ValidationInfo) -> Path:
    """The name of a file with a secret. Without a slash: from $CREDENTIALS_DIRECTORY, else beside the settings."""
    if isinstance(value, Path):
        return value
    text = _path_text(value, info)
    around = _surroundings(info)
    if "/" not in text and around.credentials is not None and (around.credentials / text).is_file():
        return around.credentials / text
    return around.folder / text


def read_authority(value: object, info: ValidationInfo) -> Path | None:
    """`system` is None: the authorities that the system trusts; anything else names a PEM file."""
    return None if value is None or value == "system" else read_path(value, info)


def read_path_below(value: object, info: ValidationInfo) -> Path:
    """A path kept as written: it starts at some other setting."""
    return value if isinstance(value, Path) else Path(_path_text(value, info))


def _path_text(value: object, info: ValidationInfo) -> str:
    text = read_text(value, info)
    if len(text) > PATH_CHARACTERS_MAX or not text.isprintable():
        raise mistake("this cannot be the name of a file.")
    return text


def _surroundings(info: ValidationInfo) -> Surroundings:
    context: Any = info.context
    return context if isinstance(context, Surroundings) else surroundings_of(Path.cwd())


def surroundings_of(folder: Path) -> Surroundings:
    """Surroundings of a settings file in `folder`, as the environment has them."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return Surroundings(folder, Path(credentials) if credentials else None)


HostPort = Annotated[Endpoint, PlainValidator(read_endpoint)]
Door = Annotated[Endpoint | PassedSocket, PlainValidator(read_door)]
PageAddress = Annotated[Endpoint | SocketFile | PassedSocket, PlainValidator(read_page_address)]
PageUrl = Annotated[str, PlainValidator(read_page_url)]
Domain = Annotated[str, BeforeValidator(read_domain)]
Mailbox = Annotated[Address, PlainValidator(read_address)]
GroupName = Annotated[str, BeforeValidator(read_group_name)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, PlainValidator(read_network)]
FilePath = Annotated[Path, PlainValidator(read_path)]
SecretPath = Annotated[Path, PlainValidator(read_secret_path)]
PathBelow = Annotated[Path, PlainValidator(read_path_below)]
CertificateAuthority = Annotated[Path | None, PlainValidator(read_authority)]
MailboxOrNone = Annotated[Address | None, PlainValidator(read_address_or_null)]
