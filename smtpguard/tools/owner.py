"""Root at work in the guard's own folder: what comes to lie there must be the guard's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owner:
    """The user whom `folder` belongs to. Whoever is not root stays who he is. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        status = folder.stat()
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
            yield
        finally:
            if self._acts:
                os.seteuid(0)
                os.setegid(self._was)

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
