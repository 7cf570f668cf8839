"""What is wrong with the files that the settings name: certificates, keys, authorities and the password.

`load` looks at none of them, for settings may be written on one machine and used on another. `serve` cannot run with a
file that it cannot use; `check` tells of all of them and counts none as an error.
"""

from __future__ import annotations

import stat
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from smtpguard.config.places import surroundings_of
from smtpguard.config.sections import Server, TlsSettings
from smtpguard.config.settings import Settings
from smtpguard.config.sources import AbsentFileError, FileError, regular_octets
from smtpguard.keyshare import SECRET_OCTETS

# All authorities of a system, as Debian's ca-certificates.crt, are 220 KB.
CERTIFICATE_OCTETS_MAX = 4 * 1024 * 1024
# A key of 16,384 bits has 13 KB.
SECRET_OCTETS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """What is wrong with the file that the setting `key` names. `is_fatal` if nothing can be served with it.

    `is_absent`: there is none, as where settings are written on another machine than the one that will serve.
    """

    key: str
    path: Path
    text: str
    is_fatal: bool = True
    is_absent: bool = False

    def __str__(self) -> str:
        return f'"{self.key}" {self.text}: {self.path}'


def file_troubles(settings: Settings, now: datetime) -> Iterator[FileTrouble]:
    """Everything that is wrong with the files that `settings` name; files that nobody would use are not opened."""
    if settings.tls is not None and any(each.tls != "none" for each in settings.listeners):
        yield from _pair_troubles(settings.tls, now)
    if settings.upstream is not None:
        yield from _authority_troubles("upstream.ca", settings.upstream, now)
    if settings.outbox is not None:
        yield from _authority_troubles("outbox.ca", settings.outbox, now)
        if settings.outbox.password_file is not None:
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


def end_of(certificate: Path) -> datetime | None:
    """When the first certificate in a file ends; None if none can be read."""
    try:
        return _certificates(certificate)[0].not_valid_after_utc
    except FileError:
        return None


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


def _pair_troubles(tls: TlsSettings, now: datetime) -> Iterator[FileTrouble]:
    key_name, certificate_name = "tls.key_file", "tls.certificate"
    key = certificate = None
    try:
        certificate = _certificates(tls.certificate)[0]
        yield from _dates(certificate_name, tls.certificate, certificate, now)
    except FileError as error:
        yield _unusable(certificate_name, tls.certificate, error)
    try:
        key = _public_key_of(tls.key_file)
    except FileError as error:
        yield _unusable(key_name, tls.key_file, error)
    else:
        yield from _readable_by_all(key_name, tls.key_file)
    if key is not None and certificate is not None and _octets(key) != _octets(certificate.public_key()):
        yield FileTrouble(key_name, tls.key_file, f"is not the key of the first certificate in {tls.certificate}")


def _authority_troubles(key: str, server: Server, now: datetime) -> Iterator[FileTrouble]:
    if server.ca is None or server.tls == "none":
        return
    try:
        certificates = _certificates(server.ca)
    except FileError as error:
        yield _unusable(key, server.ca, error)
    else:
        if len(certificates) == 1:
            yield from _dates(key, server.ca, certificates[0], now)


def _line_troubles(key: str, path: Path, read: Callable[[Path], str | bytes]) -> Iterator[FileTrouble]:
    try:
        read(path)
    except FileError as error:
        yield _unusable(key, path, error)
    else:
        yield from _readable_by_all(key, path)


def _unusable(key: str, path: Path, error: FileError) -> FileTrouble:
    return FileTrouble(key, path, f"{error}{_as_credential(key, path)}", is_absent=isinstance(error, AbsentFileError))


def _as_credential(key: str, path: Path) -> str:
    """Where systemd keeps secrets for us (LoadCredential=, systemd.exec(5)), what that means for this one."""
    credentials = surroundings_of(path.parent).credentials
    if credentials is None or key.endswith(".ca"):
        return ""
    if path.parent == credentials:
        return f" (the credential {path.name}: its file is the one that LoadCredential= of the service names)"
    return " (to make it a credential, write LoadCredential=NAME:FILE in the service, and the NAME alone here)"


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(regular_octets(path, CERTIFICATE_OCTETS_MAX))
    except ValueError:
        raise FileError("holds no certificate in PEM form") from None


def _public_key_of(path: Path) -> PublicKeyTypes:
    octets = regular_octets(path, SECRET_OCTETS_MAX)
    try:
        return load_pem_private_key(octets, password=None).public_key()
    except TypeError:
        raise FileError("is protected by a passphrase, which nobody could type; store the key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise FileError("holds no private key in PEM form") from None


def _octets(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _dates(key: str, path: Path, certificate: x509.Certificate, now: datetime) -> Iterator[FileTrouble]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        yield FileTrouble(key, path, f"expired on {end:%Y-%m-%d}", is_fatal=False)
    elif now < begin:
        yield FileTrouble(key, path, f"is not valid before {begin:%Y-%m-%d}", is_fatal=False)


def _readable_by_all(key: str, path: Path) -> Iterator[FileTrouble]:
    if path.stat().st_mode & stat.S_IROTH:
        yield FileTrouble(key, path, "can be read by every user of the machine (correct it with chmod o=)", False)
