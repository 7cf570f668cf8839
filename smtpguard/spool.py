"""Where content waits while a client sends it: in memory, or, when it grows, in an encrypted file without a name.

THREAT-MODEL T-06: big content lies only in unlinked encrypted files. The key is never written anywhere, so what a disk
keeps of such a file after a crash is noise.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smtpguard.mail.content import Content, WireContent

# Most mail is smaller; a hundred clients at once stay below 26 MB.
SPOOL_THRESHOLD = 256 * 1024
# Encrypted in one go; a reader holds one block at a time.
BLOCK = 64 * 1024

_TAG = 16
_NONCE = 12


class Intake:
    """Collects content in wire form as it comes in.

    `folder` is where a temporary file would lie, None for the system's own place; content of up to `threshold` octets
    stays in memory. After `finish` the content belongs to the caller, and `close` here does nothing any more.
    """

    def __init__(self, folder: Path | None, threshold: int = SPOOL_THRESHOLD) -> None:
        self._folder = folder
        self._threshold = threshold
        self._buffer = bytearray()
        self._file: _BlockFile | None = None
        self._size = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return self._size

    def write(self, piece: bytes) -> None:
        """Take `piece`. Raises OSError if the temporary file cannot be made or written; what was taken is lost then."""
        if self._closed:
            raise ValueError("this intake is closed")
        self._buffer += piece
        self._size += len(piece)
        if self._file is None and self._size <= self._threshold:
            return
        try:
            self._spill()
        except BaseException:
            self.close()
            raise

    def finish(self) -> Content:
        """The whole content. Raises OSError as `write` does."""
        if self._closed:
            raise ValueError("this intake is closed")
        if self._file is None:
            content: Content = WireContent(bytes(self._buffer))
        else:
            try:
                if self._buffer:
                    self._file.append(bytes(self._buffer))
            except BaseException:
                self.close()
                raise
            content = SpooledContent(self._file, self._size)
            self._file = None
        self.close()
        return content

    def close(self) -> None:
        """Forget what was taken; may be called again."""
        self._closed = True
        self._buffer = bytearray()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        if self._file is None:
            self._file = _BlockFile(self._folder)
        while len(self._buffer) >= BLOCK:
            self._file.append(bytes(self._buffer[:BLOCK]))
            del self._buffer[:BLOCK]


class SpooledContent:
    """Content in an encrypted temporary file, which is gone after `close`."""

    __slots__ = ("_file", "_size")

    def __init__(self, file: _BlockFile, size: int) -> None:
        self._file = file
        self._size = size

    @property
    def size(self) -> int:
        """Octets of the wire form."""
        return self._size

    def pieces(self) -> Iterator[bytes]:
        """The wire form in blocks, from the beginning; several readers do not disturb each other.

        Raises OSError if the file cannot be read or does not hold what was written, ValueError after `close`.
        """
        for number in range(self._file.blocks):
            yield self._file.block(number)

    def close(self) -> None:
        """Forget the octets."""
        self._file.close()


class _BlockFile:
    """Blocks sealed with AES-256-GCM one after the other; every block but the last is `BLOCK` octets long."""

    def __init__(self, folder: Path | None) -> None:
        # Without a name from its birth where the file system can do that (O_TMPFILE), unlinked at once elsewhere.
        self._file = tempfile.TemporaryFile(buffering=0, dir=folder, prefix="smtpguard-")  # noqa: SIM115 - see close
        # One key for one file: that is what makes a counter a safe nonce.
        self._cipher: AESGCM | None = AESGCM(AESGCM.generate_key(256))
        self.blocks = 0

    def append(self, block: bytes) -> None:
        left = memoryview(self._open().encrypt(_nonce(self.blocks), block, None))
        while left:
            left = left[self._file.write(left) :]
        self.blocks += 1

    def block(self, number: int) -> bytes:
        cipher = self._open()
        length = BLOCK + _TAG
        # pread leaves the file's position alone, hence several readers. A regular file gives all it has.
        sealed = os.pread(self._file.fileno(), length, number * length)
        try:
            return cipher.decrypt(_nonce(number), sealed, None)
        except InvalidTag:
            raise OSError(errno.EIO, "a temporary file does not hold what was written to it") from None

    def close(self) -> None:
        self._cipher = None
        self._file.close()

    def _open(self) -> AESGCM:
        if self._cipher is None:
            raise ValueError("this content is closed")
        return self._cipher


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE, "big")
