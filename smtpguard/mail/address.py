"""Addresses, kept as they were typed and compared as mailing lists compare them.

Two ideas live here. `str(address)` is what was received, so nothing is rewritten on its way through; `==` and `hash`
look at the normal form (SEMANTICS c1: comments, needless quotes, source routes and a trailing dot gone, domain as
lower-case A-label, local part NFC and lower-case). Case of the local part is ignored for every domain: a comparison
here only ever decides whether two spellings mean one mailbox, and no mail server in use tells `Anna@` from `anna@`.
It is lower case and not more: full case folding would make one mailbox of strasse@ and straße@, which are two people.

`parse_address` reads what stands in an SMTP path or in a header's addr-spec; it never raises.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache

import idna

# RFC 5321, 4.5.3.1.3: a path has at most 256 octets. Longer addresses occur in headers; they are never one of ours.
ADDRESS_CHARACTERS_MAX = 1024

# What nearly every address looks like: nothing in it that could be a quote, a comment, a route or a blank.
_PLAIN = re.compile(r"(?P<local>[^\s()<>\[\]:;@\\,\"]+)@(?P<domain>[^\s()<>\[\]:;@\\,\"]+)")
# One mailbox and nothing else: Dot-string or Quoted-string (RFC 5321, 4.1.2), without what means a way to go. Postfix
# reads % and ! as routes (allow_percent_hack, swap_bangpath), and an @ even within quotes (resolve_dequoted_address).
_CLEAR_LOCAL_PART = re.compile(r"""[^\s()<>\[\]:;@\\,"%!]+|"(?:[^%!@:;,"\\]|\\["\\])*\"""")
_CLEAR_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[a-z0-9.:-]+\]")
_ATOM = re.compile(r"[^\s()<>\[\]:;@\\,\"]+")
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """One mailbox address.

    `local_part` and `domain` are in normal form apart from case; `typed` is the very text that was received. The
    domain is empty only for `<postmaster>` (RFC 5321, 4.1.1.3).
    """

    local_part: str
    domain: str
    typed: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What is compared: (local part in lower case and NFC, lower-case A-label domain)."""
        local = self.local_part
        return local.lower() if local.isascii() else _nfc(_nfc(local).lower()), self.domain

    @property
    def folded(self) -> tuple[str, str]:
        """`key` by full case folding (Unicode, C+F), as Postfix looks up what it delivers to: finds lists, no people.

        ß is ss here, and a final sigma any sigma. Whoever is taken for a list by it is asked once too often.
        """
        local = self.local_part
        return local.lower() if local.isascii() else _nfc(_nfc(local).casefold()), self.domain

    @property
    def is_clear(self) -> bool:
        """False where a mail server may read another mailbox than we: routes, lists of addresses, torn spellings."""
        return self.has_clear_domain and _CLEAR_LOCAL_PART.fullmatch(self.local_part) is not None

    @property
    def has_clear_domain(self) -> bool:
        """True if the domain is one, or an address literal, or is not there at all."""
        return not self.domain or _CLEAR_DOMAIN.fullmatch(self.domain) is not None

    @property
    def normal(self) -> str:
        """The normal form as text, lower-case: one spelling for each mailbox."""
        local, domain = self.key
        return f"{local}@{domain}" if domain else local

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.typed or (f"{self.local_part}@{self.domain}" if self.domain else self.local_part)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@lru_cache(maxsize=4096)
def domain_normal(domain: str) -> str:
    """`domain` as a lower-case A-label (RFC 5890) without trailing dot; a domain that is none is only lower-cased."""
    domain = domain.strip().rstrip(".")
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(_nfc(domain.lower()), uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return _nfc(_nfc(domain).lower())


def parse_address(text: str) -> Address | None:
    """Read one addr-spec, with or without angle brackets, source route, quotes and comments.

    Returns None where no address can be read, also for the null reverse-path `<>` (RFC 5321, 4.1.2; RFC 5322, 3.4.1).
    """
    typed = text.strip()
    if typed.startswith("<") and typed.endswith(">"):
        typed = typed[1:-1]
    if not typed or len(typed) > ADDRESS_CHARACTERS_MAX:
        return None
    plain = _PLAIN.fullmatch(typed)
    if plain is not None:
        domain = domain_normal(plain["domain"])
        return Address(plain["local"], domain, typed) if domain else None
    tokens = _without_blanks(_without_route(_tokens(typed)))
    at = max((n for n, token in enumerate(tokens) if token == ("@", False)), default=None)
    local = _local_part(tokens if at is None else tokens[:at])
    domain = "" if at is None else domain_normal("".join(text for text, _ in tokens[at + 1 :]))
    if not local or (at is not None and not domain):
        return None
    return Address(local, domain, typed)


# A piece of an address without its quotes, and whether it stood in quotes (or behind a backslash).
_Token = tuple[str, bool]


def _tokens(typed: str) -> list[_Token]:
    """Cut `typed` into characters and quoted strings; comments, which may be nested, are left out."""
    tokens: list[_Token] = []
    depth = 0
    at = 0
    while at < len(typed):
        character = typed[at]
        quoted = _QUOTED.match(typed, at) if character == '"' and not depth else None
        if quoted is not None:
            tokens.append((_ESCAPED.sub(r"\1", quoted[1]), True))
            at = quoted.end()
            continue
        if character == "\\" and at + 1 < len(typed):
            if not depth:
                tokens.append((typed[at + 1], True))
            at += 2
            continue
        # A "(" that is never closed is no comment: what stands behind it must not vanish.
        if character == "(" and ")" in typed[at:]:
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif not depth:
            tokens.append((character, False))
        at += 1
    return tokens


def _without_route(tokens: list[_Token]) -> list[_Token]:
    """Drop a source route, `@relay,@relay:` (RFC 5321, appendix C)."""
    meant = [token for token in tokens if not token[0].isspace()]
    if meant[:1] == [("@", False)] and (":", False) in tokens:
        return tokens[tokens.index((":", False)) + 1 :]
    return tokens


def _without_blanks(tokens: list[_Token]) -> list[_Token]:
    """Drop white space at the ends and beside dots and at-signs (RFC 5322, 4.4)."""
    joints = {("@", False), (".", False)}
    kept: list[_Token] = []
    blank: list[_Token] = []
    for token in tokens:
        if not token[1] and token[0].isspace():
            blank.append(token)
            continue
        if kept and kept[-1] not in joints and token not in joints:
            kept += blank
        blank = []
        kept.append(token)
    return kept


def _local_part(tokens: list[_Token]) -> str:
    """The local part in one spelling: quotes only where they are needed, around the whole."""
    local = "".join(text for text, _ in tokens)
    if not any(quoted for _, quoted in tokens) or _ATOM.fullmatch(local):
        return local
    return '"' + re.sub(r'(["\\])', r"\\\1", local) + '"' if local else ""
