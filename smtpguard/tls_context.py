"""A TLS context whose files may be replaced while the guard runs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path


class RenewableContext:
    """Asked for its `current` context at each handshake; sessions and handshakes that have begun keep theirs.

    A context that is in use is never changed: `load_cert_chain` with a key that does not fit would leave it with the
    new certificate and the old key, and a withdrawn authority would stay trusted in it. `files` are those that the
    context is made of; none if it is the system's own authorities.
    """

    def __init__(self, files: tuple[Path, ...], make: Callable[[], ssl.SSLContext]) -> None:
        """Raises what `make` raises."""
        self.files = files
        self._make = make
        self.current = make()

    def renew(self) -> None:
        """Read the files again. Raises what `make` raises; the context is as before then."""
        self.current = self._make()


Context = ssl.SSLContext | RenewableContext


def in_force(context: Context | None) -> ssl.SSLContext:
    """The context for a handshake that begins now. Raises ValueError for None."""
    if context is None:
        raise ValueError("TLS needs a context")
    return context.current if isinstance(context, RenewableContext) else context
