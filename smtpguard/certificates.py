"""The TLS contexts of one guard, each made once from its files and made anew when an admin says so (SIGHUP)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from ssl import SSLContext

from smtpguard.config.named_files import file_troubles
from smtpguard.config.sections import TlsSettings
from smtpguard.config.settings import Settings, SettingsError
from smtpguard.listener.server import server_context
from smtpguard.tls_context import RenewableContext
from smtpguard.upstream.tls import client_context


@dataclass(frozen=True, slots=True)
class Reread:
    """What came of reading all files again.

    `renewed` counts the contexts that are new; `kept` says why others stay as they were; `doubtful` is what an admin
    should look at all the same, such as a certificate that has expired.
    """

    renewed: int
    kept: tuple[str, ...]
    doubtful: tuple[str, ...]


class Certificates:
    """One context for each set of files, whoever uses them."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, ...], RenewableContext] = {}
        self.doors_end: datetime | None = None
        """When the certificate ends that the listeners show: the one in use, whatever lies in its file by now."""

    def of_doors(self, tls: TlsSettings) -> RenewableContext:
        """For the listeners. Raises SettingsError for a certificate that cannot be used."""
        from smtpguard.config.certificate_files import end_of  # noqa: PLC0415 - 2 MB of X.509

        certificate, key = tls.certificate, tls.key_file

        def make() -> SSLContext:
            try:
                context = server_context(certificate, key, tls.minimum)
                self.doors_end = end_of(certificate)
            except OSError as error:
                raise SettingsError(f"{certificate}, {key}: no certificate and its key ({error.strerror})") from error
            return context

        return self._once(("doors", str(certificate), str(key), tls.minimum), (certificate, key), make)

    def towards(self, authorities: Path | None) -> RenewableContext:
        """For connections to a mail server whose certificate `authorities` have signed; None: those of the system.

        Raises SettingsError for a file that holds none.
        """

        def make() -> SSLContext:
            try:
                return client_context(authorities or "system")
            except OSError as error:
                raise SettingsError(f"{authorities}: no certificates can be read from it ({error.strerror})") from error

        return self._once(("towards", str(authorities)), () if authorities is None else (authorities,), make)

    def _once(self, name: tuple[str, ...], files: tuple[Path, ...], make: Callable[[], SSLContext]) -> RenewableContext:
        if name not in self._contexts:
            self._contexts[name] = RenewableContext(files, make)
        return self._contexts[name]

    def reread(self, settings: Settings, now: datetime) -> Reread:
        """Read all files again; blocks, so call it in a thread. A context is renewed as a whole or not at all."""
        troubles = list(file_troubles(settings, now))
        renewed = 0
        kept: list[str] = []
        for context in self._contexts.values():
            fatal = [each for each in troubles if each.is_fatal and each.path in context.files]
            if not fatal:
                try:
                    context.renew()
                except SettingsError as error:
                    kept.append(str(error))
                else:
                    renewed += 1
            kept += [str(each) for each in fatal]
        doubtful = tuple(str(each) for each in troubles if not each.is_fatal)
        return Reread(renewed, tuple(dict.fromkeys(kept)), doubtful)
