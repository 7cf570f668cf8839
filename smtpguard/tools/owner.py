"""Root at work in the guard's own folder: what comes to lie there must be the guard's."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owner:
    """The user whom `folder` belongs to. Whoever is not root stays who he is. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        status = folder.stat()
        self._folder = folder
        self._user, self._group = status.st_uid, status.st_gid
        self._was = os.getegid()
        self._acts = os.geteuid() == 0 and self._user != 0

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Be this user: SQLite leaves files beside a database, and the guard must be able to use them."""
        if self._acts:
            os.setegid(self._group)
            os.seteuid(self._user)
        try:
            self._may_enter()
            yield
        finally:
            if self._acts:
                os.seteuid(0)
                os.setegid(self._was)

    def _may_enter(self) -> None:
        """As a user of systemd's making (DynamicUser=) nobody gets to its folder, except within the service."""
        if self._acts and not os.access(self._folder, os.R_OK | os.X_OK, effective_ids=True):
            text = "its own user cannot get there from here; if systemd makes that user (DynamicUser=), use"
            raise PermissionError(errno.EACCES, f"{self._folder}: {text} smtpguard-as-service (deploy/systemd)")

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within `acting`, be root again for a moment, the whole process: no thread may be at work meanwhile."""
        if self._acts:
            os.seteuid(0)
            os.setegid(self._was)
        try:
            yield
        finally:
            if self._acts:
                os.setegid(self._group)
                os.seteuid(self._user)
