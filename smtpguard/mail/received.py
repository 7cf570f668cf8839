"""Who a mail server in front says has logged in: its own Received field, the topmost one (RFC 5321, 4.4; T-41).

Postfix writes it with `smtpd_sasl_authenticated_header = yes` (smtpd.c, Postfix 3.7):

    Received: from laptop (unknown [192.0.2.7])
            (using TLSv1.3 with cipher ...)
            (Authenticated sender: anna@example.org)
            by mail.example.org (Postfix) with ESMTPSA id 4cXyZ...

Everything below was typed by somebody else and is not looked at. Within the field a client chooses the words of its
EHLO and the name in its certificate; Postfix takes parentheses out of the first and balances those of the second. So
the login is a comment that stands in no other one, on one line, before `by`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Postfix puts fields of its own above (policy services write Received-SPF there). Each of its lines has at most 2 KB
# (line_length_limit), and a Received field has five or six.
TOP_OCTETS_MAX = 16 * 1024
# A line that is neither the beginning of a field nor a continuation ends the header (RFC 5322, 2.2).
_FIELD = re.compile(r"([\x21-\x2d\x2f-\x39\x3b-\x7e][\x21-\x39\x3b-\x7e]*)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_LOGIN = re.compile(r"Authenticated sender: ([\x21-\x27\x2a-\x7e](?:[\x20-\x27\x2a-\x7e]*[\x21-\x27\x2a-\x7e])?)")
_AUTHENTICATED = re.compile(r"\s*authenticated\s+sender\s*:", re.IGNORECASE)

# "from", the name that the client gave, "by".
_WORDS_TO_BY = 3


def authenticated_sender(pieces: Iterable[bytes], by: str) -> str | None:
    """The login in the topmost Received field of a content in wire form, if the host `by` wrote that field.

    `by` is compared without case. None for everything that Postfix would not write: no login, several, one that is cut
    in two lines or stands within another comment, or behind `by`. What Postfix cannot write as it is (8-bit, control
    characters) stands there as "?". Never raises.
    """
    field, _ = _topmost(pieces)
    words, comments = _read(field)
    if words[:1] + words[2:3] != ["from", "by"] or words[3:4] != [by.lower()]:
        return None
    spoken = [each for each in comments if _AUTHENTICATED.match(each)]
    login = _LOGIN.fullmatch(spoken[0]) if len(spoken) == 1 else None
    return login[1] if login is not None else None


def below_front(wire: bytes) -> bytes:
    """What stands below the topmost Received field of a content in wire form; all of it if there is none at the top."""
    return wire[_topmost((wire,))[1] :]


def _topmost(pieces: Iterable[bytes]) -> tuple[str, int]:
    """The body of the first Received field of a content in wire form, and where it ends; ("", 0) if there is none."""
    head = bytearray()
    for piece in pieces:
        head += piece[: TOP_OCTETS_MAX - len(head)]
        if len(head) >= TOP_OCTETS_MAX:
            break
    # One character for each octet: what a client may have put in is only passed over. No name of a field begins with
    # a dot here, so nothing is stuffed (RFC 5321, 4.5.2).
    text, place = head.decode("latin-1"), 0
    while (field := _FIELD.match(text, place)) is not None:
        place = field.end()
        if field[1].lower() == "received":
            # A field goes on if a blank follows; where we have cut, nobody knows.
            return (field[2], place) if place < len(text) or len(head) < TOP_OCTETS_MAX else ("", 0)
    return "", 0


def _read(field: str) -> tuple[list[str], list[str]]:
    """The words of a Received field, lower-case, up to the host behind `by`, and the comments that stand before `by`.

    A comment within another one is part of it. Nothing at all where a quoted string, a backslash or a parenthesis too
    many would let two readers read two things.
    """
    words: list[str] = []
    comments: list[str] = []
    depth = begin = 0
    for place, character in enumerate(field):
        if character == "\\" or (character == '"' and not depth) or (character == ")" and not depth):
            break
        if character == ")":
            depth -= 1
            if not depth:
                if len(words) < _WORDS_TO_BY:
                    comments.append(field[begin:place])
                begin = place + 1
        elif not depth and character in " \t\r\n(":
            if begin < place:
                words.append(field[begin:place].lower())
            begin = place + 1
        depth += character == "("
        if len(words) > _WORDS_TO_BY:
            return words, comments
    return [], []
