"""What an archive is: told by what is in it, not by its name."""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from pathlib import Path

from smtpguard.archives import Access, Archive, ArchiveError
from smtpguard.archives.files import MAILDIR_FOLDERS, MailFiles, OneMail, is_eml, opened, said
from smtpguard.archives.from_lines import is_from_line
from smtpguard.archives.mbox import HEAD_OCTETS, Mbox, first_line, unpacked

_FIELD = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,100}[ \t]*:")


def open_archive(path: Path, access: Access) -> Archive:
    """The archive at `path`: an mbox, gzip'ed or not, a Maildir, a folder of .eml files, or one such file.

    Raises ArchiveError with words for whoever named it.
    """
    try:
        with access():
            # The same name in every run, and the real one even where only `access` may look.
            path = Path(os.path.realpath(path))
            is_folder = stat.S_ISDIR(path.stat().st_mode)
            if is_folder:
                return _folder(path, access)
        with opened(path, access) as file:
            head = unpacked(file).read(HEAD_OCTETS)
    except EOFError as error:
        raise ArchiveError("the compressed file ends in the middle") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ArchiveError("the compressed file is damaged") from error
    except OSError as error:
        raise ArchiveError(said(error)) from error
    line = first_line(head).rstrip(b"\r")
    if not line or is_from_line(line, dated=False):
        return Mbox(path, access)
    if _FIELD.match(line):
        return OneMail(path, access)
    raise ArchiveError('this is no mbox (its first line does not begin with "From ") and no mail')


def _folder(path: Path, access: Access) -> Archive:
    if any((path / each).is_dir() for each in MAILDIR_FOLDERS):
        return MailFiles(path, access, maildir=True)
    with os.scandir(path) as entries:
        if any(is_eml(each.name) for each in entries):
            return MailFiles(path, access, maildir=False)
    raise ArchiveError(
        "this folder is no Maildir and has no .eml file; name the mbox files in it one by one (folder/*)"
    )
