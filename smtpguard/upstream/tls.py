"""TLS towards the mail server: who is trusted, and that the name is checked (RFC 3207, 4.1; RFC 8314, 3; RFC 7817)."""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(ca: str | Path = "system") -> ssl.SSLContext:
    """A context that checks the certificate's chain and name and speaks TLS 1.2 or newer (RFC 8996).

    `ca` is "system" for the machine's own authorities, or a PEM file whose authorities are then the only ones trusted.
    Raises OSError if the file cannot be read or holds no certificate (ssl.SSLError is an OSError).
    """
    context = ssl.create_default_context(cafile=None if ca == "system" else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
