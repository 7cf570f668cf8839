"""An mbox, gzip'ed or not, as one piece: list servers append to it, so the next run goes on where it ended."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from smtpguard.archives import Access, ArchivedMail, ArchiveError, Bookmark, Keyed, Piece
from smtpguard.archives.files import opened, said
from smtpguard.archives.from_lines import TAIL_OCTETS, Stretch, is_from_line, stretches
from smtpguard.mail.header import read_header

# RFC 1952, 2.3.1.
GZIP_MAGIC = b"\x1f\x8b"
# What stands at the beginning, for the sample and to see what it is.
HEAD_OCTETS = 4096


class Mbox:
    """The mbox at `path`, which is absolute. `read` and `size` are in octets of the file."""

    unreadable = 0

    def __init__(self, path: Path, access: Access) -> None:
        self._path = path
        self._access = access
        self._file: BinaryIO | None = None
        self._read = 0

    @property
    def size(self) -> int:
        with _in_words(), self._access():
            return self._path.stat().st_size

    @property
    def read(self) -> int:
        if self._file is not None and not self._file.closed:
            self._read = self._file.tell()
        return self._read

    def groups(self) -> Iterator[Sequence[Piece]]:
        yield (Piece(f"mbox {self._path}", self._path),)

    def mails(self, group: Sequence[Piece], bookmarks: Mapping[str, Bookmark], keyed: Keyed) -> Iterator[ArchivedMail]:
        (piece,) = group
        bookmark = bookmarks.get(piece.name, Bookmark())
        with _in_words(), opened(self._path, self._access) as file:
            self._file = file
            stream = unpacked(file)
            head = _exactly(stream, HEAD_OCTETS)
            before = _before(stream, head, bookmark.position)
            if bookmark.sample != keyed(head[: bookmark.taken] + before):
                bookmark, before = Bookmark(), b""  # another file in the place of the one that was read
            stream.seek(bookmark.position)
            dated = is_from_line(first_line(head), dated=True)
            for stretch in stretches(stream, bookmark.position, before, dated=dated):
                known = stretch.start == bookmark.position < bookmark.taken
                if known and stretch.end == bookmark.taken:
                    continue
                if stretch.end > len(head):
                    head = self._head_now() if len(head) < HEAD_OCTETS else head
                yield _mail(piece, stretch, head, known, keyed)
            self._read = file.tell()

    def _head_now(self) -> bytes:
        """It has grown since it was opened."""
        with opened(self._path, self._access) as file:
            return _exactly(unpacked(file), HEAD_OCTETS)


def unpacked(file: BinaryIO) -> IO[bytes]:
    """What is in `file`, which stands at its beginning."""
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb")) if packed else file


def first_line(head: bytes) -> bytes:
    """The first line that has anything in it."""
    return head.lstrip(b"\r\n").partition(b"\n")[0]


def _mail(piece: Piece, stretch: Stretch, head: bytes, known: bool, keyed: Keyed) -> ArchivedMail:
    position, before = (stretch.start, stretch.before) if stretch.last else (stretch.end, stretch.tail)
    after = Bookmark(position, stretch.end, keyed(head[: stretch.end] + before))
    unfinished = stretch.last and not read_header(stretch.octets)[0].fields
    return ArchivedMail(piece, stretch.start, stretch.octets, after, known, unfinished)


def _before(stream: IO[bytes], head: bytes, position: int) -> bytes:
    """Up to TAIL_OCTETS in front of `position`; `stream` stands behind `head`."""
    if position <= len(head):
        return head[:position][-TAIL_OCTETS:]
    begin = max(len(head), position - TAIL_OCTETS)
    stream.seek(begin)
    return (head + _exactly(stream, position - begin))[-TAIL_OCTETS:]


def _exactly(stream: IO[bytes], count: int) -> bytes:
    """`count` octets, fewer at the end."""
    parts = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise ArchiveError("the compressed file ends in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ArchiveError("the compressed file is damaged") from error
    except OSError as error:
        raise ArchiveError(said(error)) from error
