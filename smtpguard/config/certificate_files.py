"""Certificates, their keys and authorities, as files that the settings name. Loaded where there are any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from smtpguard.config.file_trouble import SECRET_OCTETS_MAX, FileTrouble, readable_by_all, unusable
from smtpguard.config.sections import Server, TlsSettings
from smtpguard.config.sources import FileError, regular_octets

# All authorities of a system, as Debian's ca-certificates.crt, are 220 KB.
CERTIFICATE_OCTETS_MAX = 4 * 1024 * 1024


def end_of(certificate: Path) -> datetime | None:
    """When the first certificate in a file ends; None if none can be read."""
    try:
        return _certificates(certificate)[0].not_valid_after_utc
    except FileError:
        return None


def pair_troubles(tls: TlsSettings, now: datetime) -> Iterator[FileTrouble]:
    """What is wrong with a certificate and its key."""
    key_name, certificate_name = "tls.key_file", "tls.certificate"
    key = certificate = None
    try:
        certificate = _certificates(tls.certificate)[0]
        yield from _dates(certificate_name, tls.certificate, certificate, now)
    except FileError as error:
        yield unusable(certificate_name, tls.certificate, error)
    try:
        key = _public_key_of(tls.key_file)
    except FileError as error:
        yield unusable(key_name, tls.key_file, error)
    else:
        yield from readable_by_all(key_name, tls.key_file)
    if key is not None and certificate is not None and _octets(key) != _octets(certificate.public_key()):
        yield FileTrouble(key_name, tls.key_file, f"is not the key of the first certificate in {tls.certificate}")


def authority_troubles(key: str, server: Server, now: datetime) -> Iterator[FileTrouble]:
    """What is wrong with the file of authorities that the setting `key` names."""
    assert server.ca is not None  # noqa: S101 - the caller has looked
    try:
        certificates = _certificates(server.ca)
    except FileError as error:
        yield unusable(key, server.ca, error)
    else:
        if len(certificates) == 1:
            yield from _dates(key, server.ca, certificates[0], now)


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
