"""Where Sympa's `config` files come from: one of them, the folder of all lists, or a tar archive of it, also by https.

Sympa has no interface that tells a list's settings (SOAP names addresses and subjects only), so an admin of another
machine hands over the files themselves.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, cast

from smtpguard.config.lists import LIST_FILES_MAX
from smtpguard.config.places import address_of, is_domain
from smtpguard.config.sources import AbsentFileError, FileError, regular_octets
from smtpguard.lists import Manager
from smtpguard.mail.address import Address, domain_normal
from smtpguard.tools.importing.described import Source, SourceError
from smtpguard.tools.importing.sympa import CONFIG_OCTETS_MAX, ListFiles, described, is_config
from smtpguard.tools.importing.web_server import WebServer

CONFIG, OWNERS, EDITORS = "config", "owner.dump", "editor.dump"
# Of five thousand lists' files, packed and unpacked; archives and bounces do not belong there.
PACKED_OCTETS_MAX = 64 * 1024 * 1024
EXPORT_OCTETS_MAX = 512 * 1024 * 1024
# Three files each, their folders, and as much again.
MEMBERS_MAX = 50_000
# Of a name (Linux: 4 KiB) and what stands beside it (access lists, times); and of all together.
LONG_HEADER_OCTETS_MAX = 64 * 1024
LONG_HEADERS_OCTETS_MAX = 64 * 1024 * 1024

_AT_ONCE = 1024 * 1024
_GZIP_MARK = b"\x1f\x8b"
_IN_MEMORY = 8 * 1024 * 1024
_NO_CONFIG = "there is nothing in this file that Sympa writes into a list's config."
_BROKEN = "this is no whole tar archive, plain or packed by gzip."

# What each file of a list's folder says, or why it is not read: that counts for its list alone.
_Files = dict[str, str | SourceError]
_Texts = dict[PurePosixPath, _Files]


def read_sympa(place: str, server: WebServer | None, domains: frozenset[str]) -> Source:
    """The lists found at `place`, or in the archive that lies on `server`; of these `domains` only, if there are any.

    A list that lies in no folder called like its domain belongs to the one in `domains`. Raises SourceError.
    """
    if server is not None:
        return _source(_packed(io.BytesIO(server.octets("", PACKED_OCTETS_MAX))), domains)
    path = Path(place).absolute()
    if path.is_dir():
        # A single list's own folder is known by its file.
        return _one(path / CONFIG, domains) if (path / CONFIG).is_file() else _in_folder(path, domains)
    try:
        # Not opened before it is known to be a file: a pipe would be waited for.
        if path.is_file():
            with path.open("rb") as file:
                begin = file.read(tarfile.BLOCKSIZE)
                file.seek(0)
                if begin.startswith(_GZIP_MARK) or _is_header(begin):
                    return _source(_packed(file), domains)
    except OSError as error:
        raise SourceError(f"{place}: cannot be read: {error.strerror}.") from error
    except SourceError as error:
        raise SourceError(f"{place}: {error}") from error
    return _one(path, domains)


def _one(path: Path, domains: frozenset[str]) -> Source:
    """The list whose `config` file this is; there may be others that we do not see."""
    texts: _Files = {name: text for name in (OWNERS, EDITORS) if (text := _text(path.parent / name)) is not None}
    config = _text(path)
    if config is None:
        raise SourceError(f"{path}: there is no such file.")
    if not is_config(_sure(config)):
        raise SourceError(f"{path}: {_NO_CONFIG}")
    return _source({PurePosixPath(path.parent): {**texts, CONFIG: config}}, domains, is_whole=False)


def _in_folder(path: Path, domains: frozenset[str]) -> Source:
    texts = _folder(path)
    found = _source(texts, domains)
    # Whoever names the folder of one robot has said nothing of the others.
    own = {_domain_of(each, frozenset()) for each in texts if each.parent == PurePosixPath(path)}
    return replace(found, domains=frozenset(each for each in own if each is not None))


def _source(texts: _Texts, domains: frozenset[str], *, is_whole: bool = True) -> Source:
    lists = []
    unread: dict[Address, str] = {}
    homeless = []
    # What lies below a list's folder is its shared documents.
    folders = {
        folder: files
        for folder, files in sorted(texts.items())
        if CONFIG in files and not any(CONFIG in texts.get(above, ()) for above in folder.parents)
    }
    if faults := _faults_of_all(folders.values()):
        raise faults[0]
    for folder, files in folders.items():
        domain = _domain_of(folder, domains)
        if domain is None:
            homeless.append(folder.name)
        elif not domains or domain in domains:
            try:
                found = described(_list_files(folder, domain, files))
            except SourceError as error:
                if (address := address_of(f"{folder.name.lower()}@{domain}")) is not None:
                    unread[address] = str(error)
            else:
                lists += [] if found is None else [found]
    if homeless:
        more = f" and {len(homeless) - 1} more" if len(homeless) > 1 else ""
        raise SourceError(f"{homeless[0]}{more}: no folder above says the domain of this list: name it by --domain.")
    if not any(CONFIG in each for each in texts.values()):
        raise SourceError('there is no list here: no file "config" in a folder called like its list.')
    if len(lists) > LIST_FILES_MAX:
        raise SourceError(f"there are more than {LIST_FILES_MAX} lists: name their domains, one by one, by --domain.")
    return Source(Manager.SYMPA, tuple(lists), is_whole, unread=unread)


def _faults_of_all(folders: Collection[_Files]) -> list[SourceError]:
    """Why no list can be read, one by one; empty if one can be."""
    faults = [next((each for each in files.values() if isinstance(each, SourceError)), None) for files in folders]
    found = [each for each in faults if each is not None]
    return found if len(found) == len(folders) else []


def _list_files(folder: PurePosixPath, domain: str, files: _Files) -> ListFiles:
    """The texts of one list. Raises SourceError if one of them cannot be read, or is no list's."""
    config, owners, editors = (_sure(files.get(each, "")) for each in (CONFIG, OWNERS, EDITORS))
    if not is_config(config):
        raise SourceError(f"{folder / CONFIG}: {_NO_CONFIG}")
    return ListFiles(folder.name.lower(), domain, config, owners, editors)


def _sure(text: str | SourceError) -> str:
    if isinstance(text, SourceError):
        raise text
    return text


def _domain_of(folder: PurePosixPath, domains: frozenset[str]) -> str | None:
    """The robot of a list: the folder above it, where that is called like a domain, else the only one of `domains`."""
    above = domain_normal(folder.parent.name)
    if "." in above and is_domain(above):
        return above
    return next(iter(domains)) if len(domains) == 1 else None


def _folder(path: Path) -> _Texts:
    """`LIST/config` and `DOMAIN/LIST/config` below `path`, nothing deeper: shared documents may be called alike."""
    found: _Texts = {}
    try:
        near = [each for each in sorted(path.iterdir()) if each.is_dir()]
        for each in near:
            inner = [each] if (each / CONFIG).is_file() else sorted(one for one in each.iterdir() if one.is_dir())
            for folder in inner:
                texts = {name: _text(folder / name) for name in (CONFIG, OWNERS, EDITORS)}
                if texts[CONFIG] is not None:
                    found[PurePosixPath(folder)] = {name: text for name, text in texts.items() if text is not None}
                if len(found) > 2 * LIST_FILES_MAX:
                    raise SourceError(f"{path}: there are more than {2 * LIST_FILES_MAX} lists in this folder.")
    except OSError as error:
        raise SourceError(f"{error.filename}: cannot be read: {error.strerror}.") from error
    return found


def _text(path: Path) -> str | SourceError | None:
    try:
        return _decoded(regular_octets(path, CONFIG_OCTETS_MAX))
    except AbsentFileError:
        return None
    except FileError as error:
        return SourceError(f"{path} {error}.")


def _decoded(octets: bytes) -> str:
    """Sympa writes UTF-8 since 6.0; older files may have stayed as they were."""
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _packed(file: IO[bytes]) -> _Texts:
    """The texts in a tar archive, plain or by gzip. It is unpacked into one file that has no name, never by names."""
    found: _Texts = {}
    try:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
            _unpack(file, plain)
            headers = _Headers(plain)
            with tarfile.open(fileobj=cast(IO[bytes], headers), mode="r:") as archive:
                for number, (path, text) in enumerate(_members(archive, plain)):
                    found.setdefault(path.parent, {})[path.name] = text
                    if number > MEMBERS_MAX:
                        raise SourceError(f"there are more than {MEMBERS_MAX} files in this archive.")
                # What was cut off between two files, or is broken there, ends like a whole one for tarfile.
                plain.seek(archive.offset)
                if plain.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise SourceError(_BROKEN)
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise SourceError(_BROKEN) from error
    return found


def _unpack(file: IO[bytes], plain: IO[bytes]) -> None:
    start = file.read(2)
    file.seek(0)
    if start != _GZIP_MARK:
        _copy(file.read, plain)
        return
    with gzip.GzipFile(fileobj=file) as opened:
        _copy(opened.read, plain)


def _copy(read: Callable[[int], bytes], plain: IO[bytes]) -> None:
    octets = 0
    while part := read(_AT_ONCE):
        octets += len(part)
        if octets > EXPORT_OCTETS_MAX:
            size = EXPORT_OCTETS_MAX // 1024**2
            raise SourceError(f"this archive is larger than {size} MiB. Pack the config and dump files alone.")
        plain.write(part)
    plain.seek(0)


def _is_header(block: bytes) -> bool:
    """True for the first block of a tar archive (tarfile.is_tarfile would read on, as far as the block says)."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


class _Headers:
    """A tar archive as tarfile reads it, which asks for nothing but headers: names and remarks longer than a block, of
    which it believes whatever size they say, are bounded."""

    def __init__(self, plain: IO[bytes]) -> None:
        self._plain = plain
        self._left = LONG_HEADERS_OCTETS_MAX
        self.seek, self.tell = plain.seek, plain.tell

    def read(self, octets: int) -> bytes:
        if octets > tarfile.BLOCKSIZE:
            self._left -= octets
            if octets > LONG_HEADER_OCTETS_MAX or self._left < 0:
                raise SourceError("this archive has names or remarks of a length that no file has.")
        return self._plain.read(octets)


def _members(archive: tarfile.TarFile, plain: IO[bytes]) -> Iterator[tuple[PurePosixPath, str | SourceError]]:
    while (member := archive.next()) is not None:
        # Else it keeps all of them, and whatever else lies in the archive.
        archive.members.clear()  # type: ignore[attr-defined]
        path = PurePosixPath(member.name)
        if path.name not in (CONFIG, OWNERS, EDITORS) or not member.isreg() or member.issparse():
            continue
        if member.size > CONFIG_OCTETS_MAX:
            size = CONFIG_OCTETS_MAX // 1024
            yield path, SourceError(f"{member.name} is larger than {size} KiB, the most that is read.")
            continue
        plain.seek(member.offset_data)
        yield path, _decoded(plain.read(member.size))
