"""The header of a message or of a MIME part: its fields, and what they say, read leniently (RFC 5322, 2.2; RFC 2047;
RFC 2045).

The header ends where the standard library's feed parser, and with it Mailman, ends it: at the first line that is
neither a field nor a continuation. Field values are text in UTF-8 with `surrogateescape`, so no octet is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message as Part
from encodings.aliases import aliases

# Postfix cuts a header at 100 KiB (header_size_limit); ten times as much is no letter.
HEADER_OCTETS_MAX = 1024 * 1024
# Real mail has some 30 to 80 fields, with long ways and seals 200.
HEADER_FIELDS_MAX = 2000
# RFC 2047 decoding looks ahead for "?=" from each "=?": only bounded texts are given to it.
DECODED_CHARACTERS_MAX = 4096
# A Content-Type with parameters; the parameter reader is quadratic on quotes.
PARAMETER_CHARACTERS_MAX = 2048
MESSAGE_IDS_MAX = 200
# RFC 2045, 6.1: one word; comments and what else programs write around it are shorter than this.
CODING_CHARACTERS_MAX = 400

# What the email package is known to raise on real mail (RecursionError, AttributeError and ValueError were met,
# LookupError for charsets, IndexError and TypeError in older releases, HeaderParseError and binascii.Error, a
# ValueError, by contract).
EMAIL_PACKAGE_ERRORS = (
    HeaderParseError,
    RecursionError,
    AttributeError,
    ValueError,
    LookupError,
    TypeError,
    NotImplementedError,
)

_FIELD = re.compile(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:")
_FIELD_LINE = re.compile(rb"([\x21-\x39\x3b-\x7e]++)[ \t]*+:([^\n]*+)\n")
# What nearly all parts say: parameters without escapes, charsets and continuations (RFC 2231). The email package needs
# 60 us for it. In quotes there is no "<": it unquotes some values twice, and takes angle brackets off as well.
_PARAMETER = re.compile(
    r";[ \t]*+([a-z0-9-]++)[ \t]*+=[ \t]*+(?:\"([ !#-;=-\[\]-~]*+)\"|([\w!#$&+./:=?@^-]++))[ \t]*+", re.I | re.A
)
_KIND = re.compile(r"([\w.+-]++/[\w.+-]++)[ \t]*+", re.ASCII)
_DISPOSITION = re.compile(r"[\w-]*+[ \t]*+", re.ASCII)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,998})>")
# The first word behind comments and quote marks; what follows it, a comment or a parameter, does not count.
_CODING = re.compile(r"(?:\s++|\([^()]*+\)|[\"'])*([A-Za-z0-9-]++)")

# bytes.decode(name) imports a module by that name and remembers each unknown one for ever; and some codecs are no
# charsets (zip, hex), quadratic (idna, punycode) or warn (unicode_escape). So only known names are asked for.
_NO_CHARSETS = frozenset(
    (
        "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
        "mbcs", "idna", "punycode",
    )
)  # fmt: skip
_MORE_CHARSETS = (
    "utf_8_sig", "koi8_u", "koi8_t", "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "cp1125",
)  # fmt: skip
_CHARSETS = {alias: codec for alias, codec in aliases.items() if codec not in _NO_CHARSETS}
_CHARSETS |= {codec: codec for codec in (*_CHARSETS.values(), *_MORE_CHARSETS)}
# Other names that mail programs use (WHATWG, "Names and labels"; RFC 1556 for the Hebrew and Arabic ones).
_CHARSETS |= {
    "x_sjis": "cp932", "windows_31j": "cp932", "windows_932": "cp932", "x_euc_jp": "euc_jp", "x_euc_kr": "cp949",
    "windows_949": "cp949", "x_windows_949": "cp949", "ks_c_5601_1987": "cp949", "windows_936": "gbk", "x_gbk": "gbk",
    "gb_2312_80": "gbk", "windows_950": "cp950", "x_x_big5": "big5", "windows_874": "cp874", "dos_874": "cp874",
    "iso_8859_8_i": "iso8859_8", "iso_8859_8_e": "iso8859_8", "iso_8859_6_i": "iso8859_6", "iso_8859_6_e": "iso8859_6",
    "x_mac_roman": "mac_roman", "x_mac_cyrillic": "mac_cyrillic", "x_cp1250": "cp1250", "x_cp1251": "cp1251",
    "x_cp1252": "cp1252", "unicode_1_1_utf_8": "utf_8", "x_unicode20utf8": "utf_8", "utf8mb4": "utf_8",
    "unicode": "utf_16", "ucs_2": "utf_16", "iso_10646_ucs_2": "utf_16", "ansi": "cp1252", "cp_850": "cp850",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """Fields in their order, names in lower case, values unfolded."""

    fields: tuple[tuple[str, str], ...]
    complete: bool
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset([name for name, _ in self.fields]))

    def first(self, name: str) -> str:
        """Value of the first field `name` (lower case), '' if there is none."""
        return next((value for each, value in self.fields if each == name), "") if name in self.names else ""

    def every(self, *names: str) -> list[str]:
        """Values of all fields with one of `names` (lower case), in the order of the header."""
        return [] if self.names.isdisjoint(names) else [value for each, value in self.fields if each in names]


def read_header(octets: bytes, start: int = 0, end: int | None = None, most: int | None = None) -> tuple[Header, int]:
    """Read the header that begins at `start`, at most `most` octets of it; returns it and the offset of the body.

    Never raises. `complete` is false where fields were left out because of HEADER_OCTETS_MAX or HEADER_FIELDS_MAX.
    """
    end = len(octets) if end is None else end
    limit = min(end, start + (HEADER_OCTETS_MAX if most is None else min(most, HEADER_OCTETS_MAX)))
    fields: list[tuple[bytes, list[bytes]]] = []
    position = start
    # Nearly every header is read here to its end; where that does not go on, the lines are looked at one by one.
    while len(fields) < HEADER_FIELDS_MAX and (found := _FIELD_LINE.match(octets, position, limit)) is not None:
        name, value = found.groups()
        lines = [value.rstrip(b"\r")]
        fields.append((name, lines))
        position = found.end()
        while octets.startswith((b" ", b"\t"), position) and (stop := octets.find(b"\n", position, limit)) >= 0:
            lines.append(octets[position:stop].rstrip(b"\r"))
            position = stop + 1
    complete = True
    while position < end:
        if position >= limit:
            complete = False
            break
        stop = octets.find(b"\n", position, end)
        following = end if stop < 0 else stop + 1
        line = octets[position:following].rstrip(b"\r\n")
        if not line:
            position = following
            break
        if line[:1] in b" \t":
            if fields:
                fields[-1][1].append(line)
        elif _FIELD.match(line):
            name, _, value = line.partition(b":")
            if len(fields) < HEADER_FIELDS_MAX:
                fields.append((name, [value]))
            else:
                complete = False
        elif not (position == start and line.startswith((b"From ", b">From "))):
            break
        position = following
    values = tuple((name.strip().lower().decode("ascii"), _text(lines)) for name, lines in fields)
    return Header(values, complete), position


def _text(lines: list[bytes]) -> str:
    joined = lines[0] if len(lines) == 1 else b"".join(lines)
    return joined.decode("utf-8", "surrogateescape").replace("\0", "").strip()


def charset_name(name: str) -> str | None:
    """The codec for a charset as a mail names it, or None for one that is unknown or none at all."""
    return _CHARSETS.get(name.strip().strip("\"'").lower().replace("-", "_").replace(" ", "_").replace(".", "_"))


def octets_text(octets: bytes | memoryview, charset: str) -> tuple[str, bool]:
    """`octets` as text, and whether `charset` was known. Octets that do not fit become U+FFFD; without a known charset
    UTF-8 is tried, then Windows-1252 with what it lacks from Latin-1. Never raises."""
    codec = charset_name(charset) if charset else "utf_8"
    if codec is not None and codec != "ascii":
        try:
            return str(octets, codec, "strict" if codec == "utf_8" else "replace"), True
        except (UnicodeError, LookupError, ValueError):
            pass
    try:
        return str(octets, "utf-8"), codec is not None
    except UnicodeDecodeError:
        return str(octets, "cp1252" if codec != "utf_8" else "utf-8", "replace"), codec is not None


def decoded(value: str) -> str:
    """`value` with encoded words (RFC 2047) and raw octets as text, at most DECODED_CHARACTERS_MAX of it.

    Never raises.
    """
    value = value[:DECODED_CHARACTERS_MAX]
    if "=?" in value:
        try:
            pieces = decode_header(value)
        except EMAIL_PACKAGE_ERRORS:
            pieces = [(value, None)]
        value = "".join(
            piece if isinstance(piece, str) else octets_text(piece, charset or "")[0] for piece, charset in pieces
        )
    if not value.isascii():
        raw = value.encode("utf-8", "surrogateescape") if _has_raw(value) else None
        value = octets_text(raw, "")[0] if raw is not None else value
    return " ".join(value.split())


def header_text(header: Header, most: int) -> str:
    """At most `most` characters of the values of `header`, one a line; encoded words are also decoded."""
    lines: list[str] = []
    for _, value in header.fields:
        for text in (value, decoded(value)) if "=?" in value else (value,):
            lines.append(text[:most])
            most -= len(lines[-1]) + 1
            if most <= 0:
                return "\n".join(lines)
    return "\n".join(lines)


def _has_raw(value: str) -> bool:
    return any("\udc80" <= each <= "\udcff" for each in value) and not any(
        "\ud800" <= each < "\udc80" for each in value
    )


def message_ids(*values: str) -> tuple[str, ...]:
    """All message identifiers in `values`, with angle brackets, each once, in order; at most MESSAGE_IDS_MAX."""
    found: dict[str, None] = {}
    for value in values:
        for match in _MESSAGE_ID.finditer(value):
            found[match.group()] = None
            if len(found) >= MESSAGE_IDS_MAX:
                return tuple(found)
    return tuple(found)


def transfer_codings(header: Header) -> tuple[str, ...]:
    """The Content-Transfer-Encoding of a part (RFC 2045, 6), lower-case, '' where nothing has to be undone.

    Programs take the word alone (`base64 (x)`, `"base64"`, `base64;`), and of several fields the first or the last: so
    there is one coding for each that a reader may choose.
    """
    codings: dict[str, None] = {}
    for value in header.every("content-transfer-encoding"):
        match = _CODING.match(value[:CODING_CHARACTERS_MAX])
        coding = match[1].lower() if match is not None else ""
        codings[coding if coding in ("base64", "quoted-printable") else ""] = None
    return tuple(codings) or ("",)


@dataclass(frozen=True, slots=True)
class ContentType:
    """What Content-Type and Content-Disposition say of a part; `filename` from either."""

    type: str
    charset: str = ""
    boundary: str = ""
    filename: str = ""
    flowed: bool = False
    delsp: bool = False
    readable: bool = True


def content_type(header: Header, default: str = "text/plain") -> ContentType:
    """Read them with the email package's own reader of parameters (RFC 2231); never raises."""
    value, disposition = header.first("content-type"), header.first("content-disposition")
    if not value and not disposition:
        return ContentType(default)
    return _simple_type(value or default, disposition) or _any_type(value, disposition, default)


def _parameters(value: str, position: int) -> dict[str, str] | None:
    """The parameters from `position` on, names in lower case; None where not all of them are plain."""
    found: dict[str, str] = {}
    while (match := _PARAMETER.match(value, position)) is not None:
        name, quoted, word = match.groups()
        found.setdefault(name.lower(), word if quoted is None else quoted)
        position = match.end()
    return found if value[position:].strip(" \t") in ("", ";") else None


def _simple_type(value: str, disposition: str) -> ContentType | None:
    kind, other = _KIND.match(value), _DISPOSITION.match(disposition)
    if kind is None or other is None or max(len(value), len(disposition)) > PARAMETER_CHARACTERS_MAX:
        return None
    typed, disposed = _parameters(value, kind.end()), _parameters(disposition, other.end())
    if typed is None or disposed is None:
        return None
    return ContentType(
        type=kind[1].lower(),
        charset=typed.get("charset", "").lower(),
        boundary=typed.get("boundary", "").rstrip(),
        filename=decoded(disposed.get("filename", typed.get("name", "")).strip()),
        flowed=typed.get("format", "").lower() == "flowed",
        delsp=typed.get("delsp", "").lower() == "yes",
    )


def _any_type(value: str, disposition: str, default: str) -> ContentType:
    part = Part()
    part["Content-Type"] = value[:PARAMETER_CHARACTERS_MAX] or default
    if disposition:
        part["Content-Disposition"] = disposition[:PARAMETER_CHARACTERS_MAX]
    part.set_default_type(default)
    try:
        return ContentType(
            type=part.get_content_type(),
            charset=part.get_content_charset("") or "",
            boundary=str(part.get_boundary("") or ""),
            filename=decoded(str(part.get_filename("") or "")),
            flowed=str(part.get_param("format", "")).lower() == "flowed",
            delsp=str(part.get_param("delsp", "")).lower() == "yes",
        )
    except EMAIL_PACKAGE_ERRORS:
        name = value.partition(";")[0].strip().lower()
        return ContentType(name if name.count("/") == 1 else "text/plain", readable=False)
