"""DANE: what certificate a mail server must have, as its own domain says by TLSA records (RFC 6698, 7671, 7672).

The records must have been validated; that is for the caller to see to. Known are the usages that mail uses (RFC 7672,
3.1): 3, this certificate or key, whatever else stands in it; and 2, this authority, whose certificate the server sends
along or the record holds in full. Not known: usages 0 and 1, which RFC 7672 (3.1.3) calls unusable, and a bare key of
an authority (2 1 0) whose certificate is not sent along: no certificate fits it, so no mail goes.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from dns.rdtypes.ANY.TLSA import TLSA

from smtpguard.upstream import UpstreamError

TRUST_ANCHOR, END_ENTITY = 2, 3
WHOLE, PUBLIC_KEY = 0, 1
IN_FULL, SHA256, SHA512 = 0, 1, 2

_DIGESTS = {SHA256: hashlib.sha256, SHA512: hashlib.sha512}


def usable(records: Iterable[TLSA]) -> tuple[TLSA, ...]:
    """Those of `records` that can be used here, of the digests of one usage and selector only the strongest.

    RFC 7671, 9: a server may have a weak digest for old clients; whoever knows a strong one goes by that alone.
    """
    known = [
        each
        for each in records
        if each.usage in (TRUST_ANCHOR, END_ENTITY)
        and each.selector in (WHOLE, PUBLIC_KEY)
        and (each.mtype in _DIGESTS or each.mtype == IN_FULL)
        and each.cert
    ]
    strongest: dict[tuple[int, int], int] = {}
    for each in known:
        kind = (each.usage, each.selector)
        strongest[kind] = max(strongest.get(kind, IN_FULL), each.mtype)
    return tuple(each for each in known if each.mtype in (IN_FULL, strongest[each.usage, each.selector]))


class Proof:
    """Checks the certificate of a handshake that has just been made, before anything is said inside it.

    `records` are usable ones, at least one; `names` are those of which the certificate must bear one where an authority
    vouches for it (RFC 7672, 3.2.2).
    """

    def __init__(self, records: Sequence[TLSA], names: Sequence[str]) -> None:
        if not records:
            raise ValueError("a proof needs a record")
        self._records = tuple(records)
        self._names = tuple(dict.fromkeys(names))

    def __call__(self, handshake: Any) -> None:
        """Raises UpstreamError if no record fits the certificate that the server has shown.

        `handshake` is an `ssl.SSLObject`, as transports give it.
        """
        chain = served_chain(handshake)
        # RFC 7671, 5.1: with usage 3 neither the name nor the dates in the certificate count; those of the record do.
        if chain and any(each.usage == END_ENTITY and _fits(each, chain[0]) for each in self._records):
            return
        try:
            if chain and self._vouched_for(chain):
                return
        except ValueError:
            # What cannot be read as a certificate proves nothing.
            pass
        raise UpstreamError("the certificate of the mail server is not the one that its TLSA records name (DANE)")

    def _vouched_for(self, chain: Sequence[bytes]) -> bool:
        """True if an authority of usage 2 stands at the upper end of the chain. Raises ValueError."""
        records = [each for each in self._records if each.usage == TRUST_ANCHOR]
        # RFC 7671, 5.2: an authority is never the server's own certificate.
        found = [each for each in chain[1:] if any(_fits(record, each) for record in records)]
        found += [each.cert for each in records if each.selector == WHOLE and each.mtype == IN_FULL]
        if not found:
            return False
        anchors = Store([x509.load_der_x509_certificate(each) for each in dict.fromkeys(found)])
        leaf, *others = (x509.load_der_x509_certificate(each) for each in chain)
        for name in self._names:
            verifier = PolicyBuilder().store(anchors).build_server_verifier(x509.DNSName(name))
            try:
                verifier.verify(leaf, others)
            except VerificationError:
                continue
            return True
        return False


def handshake_context() -> ssl.SSLContext:
    """A context for handshakes whose certificate a `Proof` looks at: it takes any, so never use it without one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def served_chain(handshake: Any) -> list[bytes]:
    """The certificates that the server has sent, its own first, each in DER. Empty if there are none."""
    # Public from Python 3.13 on; the private object beneath has had the same since 3.10.
    public = getattr(handshake, "get_unverified_chain", None)
    if public is not None:
        return [bytes(each) for each in public()]
    private = getattr(getattr(handshake, "_sslobj", None), "get_unverified_chain", None)
    if private is not None:
        return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in private() or ()]
    own = handshake.getpeercert(binary_form=True) if handshake is not None else None
    return [] if own is None else [own]


def _fits(record: TLSA, certificate: bytes) -> bool:
    selected = certificate if record.selector == WHOLE else _public_key(certificate)
    if selected is None:
        return False
    digest = _DIGESTS.get(record.mtype)
    return bool(record.cert == (selected if digest is None else digest(selected).digest()))


def _public_key(certificate: bytes) -> bytes | None:
    """The SubjectPublicKeyInfo in DER; None for a key of a kind that is not known."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None
