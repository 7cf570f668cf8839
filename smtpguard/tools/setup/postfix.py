"""What Postfix says of itself: postconf(1) and, for the way to the guard domain, postmap(1). Nothing is changed."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from smtpguard.config.places import Endpoint, endpoint_of
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.tools.setup.found import Postfix, Service

# postconf takes milliseconds; a host name that is asked for, or a disk that is not there, may keep it.
SECONDS = 20.0
# master.cf of a large site has some 20 KB. What says more, perhaps without end, is no program of Postfix.
OCTETS_MAX = 4 * 1024 * 1024
_AT_ONCE = 64 * 1024
PARAMETERS = (
    "always_bcc", "config_directory", "header_checks", "mail_version", "mydestination", "mydomain", "myhostname",
    "relay_domains", "relay_recipient_maps", "smtpd_recipient_restrictions", "smtpd_sasl_path", "smtpd_sasl_type",
    "smtpd_sender_login_maps", "smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_key_file", "transport_maps",
    "virtual_alias_domains", "virtual_mailbox_domains",
)  # fmt: skip
# The guard's own tables in Postfix's folder.
TABLES = ("smtpguard_domain", "smtpguard_recipients", "smtpguard_senders", "smtpguard_closed", "smtpguard_login")
TABLE_OCTETS_MAX = 64 * 1024
# Keys and certificates of all kinds that there are, each with its chain, have some 50 KB.
CHAIN_OCTETS_MAX = 1024 * 1024
_PEM = re.compile(rb"^-----BEGIN (?:[A-Z]+ )?(PRIVATE KEY|CERTIFICATE)-----", re.MULTILINE)
# Tables that lie in files of this machine: others would be asked over the network.
_FILE_TABLES = frozenset({"btree", "cdb", "cidr", "dbm", "hash", "lmdb", "pcre", "regexp", "sdbm", "texthash"})
# As postmap names what it makes.
_SUFFIXES = ("", ".db", ".lmdb", ".cdb", ".pag")
# root's PATH may lack it after `su`.
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_NEXT_HOP = re.compile(r"(?:smtp|lmtp|relay)(?:-[\w-]+)?:(?:inet:)?\[([0-9a-fA-F.:]+)\]:([0-9]{1,5})")


class PostfixError(Exception):
    """Postfix is not there, or cannot be asked; the text says why."""


def look_at_postfix(folder: Path | None) -> Postfix:
    """The Postfix whose settings lie in `folder`; None: where postconf looks. Raises PostfixError."""
    # By its whole name: $config_directory comes to what postconf was told.
    where = () if folder is None else ("-c", str(folder.absolute()))
    written = _table(_said("postconf", *where, *PARAMETERS))
    meant = _table(_said("postconf", *where, "-x", *PARAMETERS))
    options = _table(_said("postconf", *where, "-P"))
    services = _services(_said("postconf", *where, "-M"), options)
    place = Path(meant.get("config_directory") or folder or "/etc/postfix").absolute()
    try:
        files = frozenset(each.name for each in os.scandir(place))
    except OSError as error:
        raise PostfixError(f"{place} cannot be read: {error.strerror}") from error
    tables = {name: _text(place / name) for name in TABLES if name in files}
    found = Postfix(str(place), written, meant, services, files, tables)
    return replace(found, pair=_pair(found.words("smtpd_tls_chain_files")))


def way_to(domain: str, postfix: Postfix) -> Endpoint | None:
    """Where Postfix hands mail for `domain` to already, by a table in a file; None if it does not."""
    for table in postfix.words("transport_maps"):
        kind, _, name = table.partition(":")
        if kind not in _FILE_TABLES or not any(Path(f"{name}{each}").exists() for each in _SUFFIXES):
            continue
        try:
            found = _said("postmap", "-c", postfix.folder, "-q", domain, table, empty=True).strip()
        except PostfixError:
            continue  # a table that cannot be read
        if (match := _NEXT_HOP.fullmatch(found)) is not None:
            host = f"[{match[1]}]" if ":" in match[1] else match[1]
            return endpoint_of(f"{host}:{match[2]}")
    return None


def _said(program: str, *arguments: str, empty: bool = False) -> str:
    """What the program prints. Raises PostfixError; with `empty` no answer (code 1) is an answer."""
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(_FOLDERS))
    if path is None:
        raise PostfixError(f"{program} is not on this machine")
    try:
        code, said, complaints = _ended([path, *arguments])
    except subprocess.TimeoutExpired:
        raise PostfixError(f"{program} has not answered within {SECONDS:.0f} seconds") from None
    except _EndlessError:
        size = OCTETS_MAX // 1024**2
        raise PostfixError(f"{program} says more than {size} MiB, which none of Postfix does") from None
    except OSError as error:
        raise PostfixError(f"{program} cannot be started: {error.strerror}") from error
    if code and not (empty and code == 1 and not complaints):
        words = complaints.decode("utf-8", "replace").strip().splitlines()
        raise PostfixError(words[-1] if words else f"{program} ended with code {code}")
    return said.decode("utf-8", "replace")


class _EndlessError(Exception):
    """A program says more than is read."""


def _ended(command: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Code, output and complaints of a program that has ended; whatever goes wrong, it runs no more.

    Raises TimeoutExpired, _EndlessError, OSError. (subprocess.run would keep all that it says until then.)
    """
    latest = time.monotonic() + SECONDS
    with subprocess.Popen(  # noqa: S603 - Postfix's own program, with what the admin named
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    ) as process:  # fmt: skip
        try:
            said, complaints = _whole((process.stdout, process.stderr), latest)
            return process.wait(max(0, latest - time.monotonic())), said, complaints
        except BaseException:
            process.kill()
            raise


def _whole(pipes: Sequence[IO[bytes] | None], latest: float) -> list[bytes]:
    """What comes from each pipe up to its end."""
    said = [bytearray() for _ in pipes]
    with selectors.DefaultSelector() as open_pipes:
        for pipe, text in zip(pipes, said, strict=True):
            assert pipe is not None  # noqa: S101 - asked for
            open_pipes.register(pipe, selectors.EVENT_READ, text)
        while open_pipes.get_map():
            ready = open_pipes.select(max(0, latest - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired("", SECONDS)
            for key, _ in ready:
                if not (part := os.read(key.fd, _AT_ONCE)):
                    open_pipes.unregister(key.fileobj)
                key.data.extend(part)
                if len(key.data) > OCTETS_MAX:
                    raise _EndlessError
    return [bytes(each) for each in said]


def _pair(chain: Sequence[str]) -> tuple[str, str] | None:
    """The file of the first certificate of smtpd_tls_chain_files, and that of its key.

    All of them count as one file, in which each key stands in front of its certificate; a key may be the end of one
    file and its certificate the beginning of the next (postconf(5)).
    """
    key = None
    for name in chain:
        try:
            octets = regular_octets(Path(name), CHAIN_OCTETS_MAX)
        except FileError:
            return None
        for begin in _PEM.findall(octets):
            if begin == b"CERTIFICATE" and key is not None:
                return name, key
            key = key if begin == b"CERTIFICATE" else name
    return None


def _text(file: Path) -> str:
    """What is in a table of ours; nothing that can be read is no table of ours."""
    try:
        return regular_octets(file, TABLE_OCTETS_MAX).decode("utf-8", "replace")
    except FileError:
        return ""


def _table(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _services(text: str, options: Mapping[str, str]) -> tuple[Service, ...]:
    """The lines of `postconf -M`, eight columns each, with the options of `postconf -P`."""
    found = []
    for line in text.splitlines():
        columns: Sequence[str] = line.split(maxsplit=8)
        if len(columns) < 8:
            continue
        name, kind, command = columns[0], columns[1], columns[7]
        key = f"{name}/{kind}/"
        own = {each.removeprefix(key): value for each, value in options.items() if each.startswith(key)}
        found.append(Service(name, kind, command, own))
    return tuple(found)
