"""The token of a held mail: printed in the notice as the *code*, read from answers, found in mail that carries it on.

A code is the token's 256 bits in base32 (RFC 4648, section 6): 52 characters, of which the last one has four spare bits
that are zero. The notice prints it in groups of four on two `code:` lines; an address carries it whole
(`mailcheck+CODE@`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from smtpguard.mail.message import Message

TOKEN_OCTETS = 32
CODE_CHARACTERS = 52
# What stands before each of the two lines in the notice, in every language, so that they are found again.
LABEL = "code"

# A code pasted with dashes, blanks and quote marks between any two characters is still shorter than this.
CODE_TEXT_MAX = 512
# Each code found costs a look-up in the store. An answer or a forwarded notice holds one code, perhaps three times.
FOUND_MAX = 32
# How many places of one form are looked at: the same words over and over must not cost seconds.
CANDIDATES_MAX = 1000

_GROUP = 4
_FIRST_LINE_GROUPS = 7

_DASHES = "-\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_QUOTES = "\"'`>|\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u2039\u203a"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
# Besides the above, what mail programs put around or into lines: bold and italic marks, soft line ends.
_BETWEEN = rf"[\s{re.escape(_DASHES + _QUOTES + _INVISIBLE)}*_=]"
_IGNORED = re.compile(rf"[\s{re.escape(_DASHES + _QUOTES + _INVISIBLE)}]+")

# Long enough for a line end, five levels of quote marks and an indented line; bounded, so that reading stays linear.
_GAP = rf"{_BETWEEN}{{0,40}}+"
_BREAK = rf"[{re.escape(_DASHES + _INVISIBLE)}=]{{0,3}}+(?>(?:[ \t\r]{{0,8}}+\n[\s>|]{{0,40}}+)?)"
_SIGN = "[A-Za-z2-7]"
_LABELLED = rf"(?i:{LABEL})\s{{0,2}}:"
# Where the second line begins, its label. All quantifiers that could give back are possessive (`+` behind them) or, for
# groups, atomic: a place is tried once and left. (Possessive groups match wrongly before Python 3.11.5, gh-106052.)
_SECOND_LINE = rf"(?>(?:{_LABELLED}{_GAP})?)"
# The last character: one bit of the token, four spare bits that are zero.
_LAST = f"[AQaq](?!{_SIGN})"
_GROUP_OF_FOUR = rf"{_SIGN}{{4}}{_BETWEEN}{{1,40}}+"
# One word: the address, also in a mailto: link; a code without dashes.
_WORD = re.compile(rf"(?<!{_SIGN})(?P<code>{_SIGN}{{51}}{_LAST})")
# Thirteen groups of four, however joined. Looked at from each place, because the word before may have four letters.
_GROUPS = re.compile(
    rf"(?<!{_SIGN})(?=(?P<code>(?:{_GROUP_OF_FOUR}){{7}}{_SECOND_LINE}(?:{_GROUP_OF_FOUR}){{5}}{_SIGN}{{3}}{_LAST}))"
)
# Behind a label: broken and quoted anywhere.
_BEHIND_LABEL = re.compile(
    rf"{_LABELLED}(?=(?P<code>(?:{_GAP}{_SIGN}){{28}}{_GAP}{_SECOND_LINE}(?:{_SIGN}{_GAP}){{23}}{_LAST}))"
)
# Behind an address's plus or a link's hash: broken by line ends anywhere, but not by blanks as prose is.
_BEHIND_MARK = re.compile(rf"[+#](?=(?P<code>(?:{_SIGN}{_BREAK}){{51}}{_LAST}))")

# The shape of a text: "a" for each sign of base32, a blank for anything else. It is made and searched thirty times
# faster than the forms are, and says of nearly every text that it holds no code as one word or in groups.
_SHAPE = bytes(0x61 if re.match(_SIGN, chr(octet)) else 0x20 for octet in range(256))
_WORD_SIGNS = b"a" * CODE_CHARACTERS
# Searches are fast by the literal text they begin with, and slow in groups: so nothing is abbreviated here.
_WORD_SHAPE = re.compile(b" " + _WORD_SIGNS + b" ")
# A label between two groups looks like a group, with a colon and two blanks more behind it.
_GROUPS_SHAPE = re.compile(b" aaaa" + b" {1,43}aaaa" * (CODE_CHARACTERS // _GROUP - 1) + b" ")
# A large text is looked at in slices, so that other threads get their turn in between. Thirteen groups with their gaps
# are shorter than the overlap.
_SLICE = 256 * 1024
_OVERLAP = 1024
_LABEL_INSIDE = re.compile(_LABELLED)
_BETWEEN_SIGNS = re.compile(f"{_BETWEEN}+")
# Links carry `+`, `@` and `#` escaped, rewritten links twice or three times (%2B, %252B, %25252B).
_ESCAPE = re.compile(r"%(?:25){0,4}(2[Bb3]|40|[0-9A-Fa-f]{2})")
_UNESCAPED = {"2B": "+", "23": "#", "40": "@"}


@dataclass(frozen=True, slots=True)
class Token:
    """The secret in a notice, 32 octets: key to the held mail's row and, with the day key, to its seal."""

    octets: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.octets) != TOKEN_OCTETS:
            raise ValueError(f"a token has {TOKEN_OCTETS} octets")

    @property
    def code(self) -> str:
        """The 52 characters in one word, as they stand in the address `mailcheck+CODE@`."""
        return base64.b32encode(self.octets).decode("ascii").rstrip("=")

    @property
    def lines(self) -> tuple[str, str]:
        """The code as the notice prints it: groups of four joined by dashes, seven of them and then six."""
        groups = [self.code[start : start + _GROUP] for start in range(0, CODE_CHARACTERS, _GROUP)]
        return "-".join(groups[:_FIRST_LINE_GROUPS]), "-".join(groups[_FIRST_LINE_GROUPS:])


def parse_token(text: str) -> Token | None:
    """Read one code; dashes, blanks, case and quote marks are ignored. None if `text` is anything else."""
    if len(text) > CODE_TEXT_MAX:
        return None
    code = _IGNORED.sub("", text)
    # Before upper(): it would make ASCII letters of others (U+017F, U+0131).
    if len(code) != CODE_CHARACTERS or not code.isascii():
        return None
    try:
        octets = base64.b32decode(code.upper() + "====")
    except binascii.Error:
        return None
    token = Token(octets)
    # The four spare bits: without this, sixteen codes would mean one token.
    return token if token.code == code.upper() else None


def find_tokens(text: str) -> tuple[Token, ...]:
    """Every code in `text`, in the order found: in an address, in a link, on `code:` lines, quoted and re-wrapped.

    `text` is decoded text (a header field, a body). Time is linear in its length. At most FOUND_MAX are returned; some
    may be no codes at all but words that look like one, and no store knows those.
    """
    if "%" in text:
        text = _ESCAPE.sub(_unescaped, text)
    found: dict[Token, None] = {}
    for candidate in _candidates(text):
        token = parse_token(candidate)
        if token is not None:
            found[token] = None
            if len(found) == FOUND_MAX:
                break
    return tuple(found)


def tokens_in(message: Message) -> tuple[Token, ...]:
    """Every code in the texts of an answer, else those in its links and in what is attached."""
    # All in one: where a program breaks quoted lines without marking the rest, a code lies in several passages.
    text = "\n".join(each.text for each in message.passages)
    return find_tokens(text) or tuple(
        dict.fromkeys(each for text in message.hidden_texts for each in find_tokens(text))
    )


def _candidates(text: str) -> Iterator[str]:
    for form in _forms(text):
        for match in islice(form.finditer(text), CANDIDATES_MAX):
            yield _BETWEEN_SIGNS.sub("", _LABEL_INSIDE.sub("", match["code"]))


def _forms(text: str) -> list[re.Pattern[str]]:
    """The forms in which a code may stand in `text`, by what each of them needs; mostly none."""
    word = groups = labelled = False
    colon = ":" in text
    for start in range(0, len(text), _SLICE):
        end = start + _SLICE + _OVERLAP
        octets = text[start:end].encode("ascii", "replace")
        shape = octets.translate(_SHAPE)
        if start == 0:
            shape = b" " + shape
        if end >= len(text):
            shape += b" "
        word = word or (_WORD_SIGNS in shape and _WORD_SHAPE.search(shape) is not None)
        groups = groups or _GROUPS_SHAPE.search(shape) is not None
        labelled = labelled or (colon and LABEL.encode() in octets.lower())
    needs = (
        (_WORD, word),
        (_GROUPS, groups),
        (_BEHIND_LABEL, labelled),
        (_BEHIND_MARK, "+" in text or "#" in text),
    )
    return [form for form, needed in needs if needed]


def _unescaped(match: re.Match[str]) -> str:
    # Any other escape parts what stands before it from what comes after it.
    return _UNESCAPED.get(match[1].upper(), "&")
