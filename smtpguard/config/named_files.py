"""What is wrong with the files that the settings name: certificates, keys, authorities and the password.

`load` looks at none of them, for settings may be written on one machine and used on another. `serve` cannot run with a
file that it cannot use; `check` tells of all of them and counts none as an error.
"""

from __future__ import annotations

import stat
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from smtpguard.config.file_trouble import SECRET_OCTETS_MAX, FileTrouble, readable_by_all, unusable
from smtpguard.config.settings import Settings
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.keyshare import SECRET_OCTETS


def file_troubles(settings: Settings, now: datetime) -> Iterator[FileTrouble]:
    """Everything that is wrong with the files that `settings` name; files that nobody would use are not opened."""
    if settings.tls is not None and any(each.tls != "none" for each in settings.listeners):
        from smtpguard.config.certificate_files import pair_troubles  # noqa: PLC0415 - 2 MB of X.509

        yield from pair_troubles(settings.tls, now)
    for name, server in (("upstream", settings.upstream), ("outbox", settings.outbox)):
        if server is not None and server.ca is not None and server.tls != "none":
            from smtpguard.config.certificate_files import authority_troubles  # noqa: PLC0415

            yield from authority_troubles(f"{name}.ca", server, now)
    if settings.outbox is not None and settings.outbox.password_file is not None:
        yield from _line_troubles("outbox.password_file", settings.outbox.password_file, read_password)
    if settings.store.url_file is not None:
        yield from _line_troubles("store.url_file", settings.store.url_file, read_database_url)
    if settings.secret_file is not None:
        yield from _line_troubles("secret_file", settings.secret_file, read_node_secret)


def read_password(path: Path) -> str:
    """The password in a file of one line. Raises FileError."""
    return _one_line(path, "the password")


def read_database_url(path: Path) -> str:
    """The address of a PostgreSQL database (libpq, 34.1.1.2) in a file of one line. Raises FileError."""
    url = _one_line(path, "the address").strip()
    if not url.startswith(("postgresql://", "postgres://")):
        raise FileError('holds no address that begins with "postgresql://"')
    return url


def read_node_secret(path: Path) -> bytes:
    """The 32 octets of `secret_file`: as they are, or as hex digits or base64 in a file of one line. Raises FileError,
    also if others can read the file.
    """
    octets = regular_octets(path, SECRET_OCTETS_MAX)
    if path.stat().st_mode & stat.S_IRWXO:
        raise FileError("can be used by every user of the machine (correct it with chmod 600)")
    # 32 characters of text are not 32 random octets.
    is_text = octets.isascii() and octets.decode("ascii").rstrip("\r\n").isprintable()
    secret = octets if len(octets) == SECRET_OCTETS and not is_text else _written_out(octets)
    # A run of zeros, or one word over and over, is what somebody put there to begin with.
    if secret is None or len(set(secret)) < SECRET_OCTETS // 4:
        raise FileError(f"does not hold {SECRET_OCTETS} random octets; make it with: openssl rand -hex 32")
    return secret


def _written_out(octets: bytes) -> bytes | None:
    text = octets.strip()
    try:
        secret = (
            bytes.fromhex(text.decode("ascii")) if len(text) == 2 * SECRET_OCTETS else b64decode(text, validate=True)
        )
    except ValueError:
        return None
    return secret if len(secret) == SECRET_OCTETS else None


def _one_line(path: Path, what: str) -> str:
    try:
        line = regular_octets(path, SECRET_OCTETS_MAX).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise FileError("is not written in UTF-8") from None
    if not line:
        raise FileError("is empty")
    if any(each in line for each in "\r\n\0"):
        raise FileError(f"has more than the one line with {what}")
    return line


def _line_troubles(key: str, path: Path, read: Callable[[Path], str | bytes]) -> Iterator[FileTrouble]:
    try:
        read(path)
    except FileError as error:
        yield unusable(key, path, error)
    else:
        yield from readable_by_all(key, path)
