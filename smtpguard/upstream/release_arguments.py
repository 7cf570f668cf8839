"""The arguments of MAIL and RCPT for a release, made again from the envelope of the held mail (SEMANTICS c6).

Paths and the parameters that say how the mail is to be treated go out as they were typed. What was true of the old
session only is made anew (SIZE) or left out (AUTH=, RFC 4954, 5: the release is not that session's word any more).
"""

from __future__ import annotations

from collections.abc import Collection

from smtpguard.mail.envelope import Path

# RFC 3461 (DSN), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 8689: part of what the member sent, whatever is offered now.
_AS_TYPED = frozenset({"RET", "ENVID", "BODY", "SMTPUTF8", "REQUIRETLS", "NOTIFY", "ORCPT"})
_LEFT_OUT = frozenset({"SIZE", "AUTH"})
# Parameters whose extension bears another name: RFC 2852, RFC 4865, RFC 4141.
_EXTENSION_OF = {
    "BY": "DELIVERBY",
    "HOLDFOR": "FUTURERELEASE",
    "HOLDUNTIL": "FUTURERELEASE",
    "CONPERM": "CONPERM",
    "CONNEG": "CONNEG",
}


def mail_argument(path: Path, extensions: Collection[str], size: int | None = None) -> str:
    """What follows `MAIL `: the reverse-path as typed and its parameters; `size` (octets) as SIZE= if that is offered.

    `extensions` are the keywords of the server's EHLO answer, upper-case.
    """
    parts = [f"FROM:{path.typed}", *_kept(path, extensions)]
    if size is not None and "SIZE" in extensions:
        parts.append(f"SIZE={size}")
    return " ".join(parts)


def rcpt_argument(path: Path, extensions: Collection[str]) -> str:
    """What follows `RCPT `: the forward-path as typed and its parameters."""
    return " ".join([f"TO:{path.typed}", *_kept(path, extensions)])


def _kept(path: Path, extensions: Collection[str]) -> list[str]:
    kept = []
    for parameter in path.parameters:
        keyword = parameter.partition("=")[0].upper()
        if keyword in _LEFT_OUT:
            continue
        if keyword in _AS_TYPED or _EXTENSION_OF.get(keyword, keyword) in extensions:
            kept.append(parameter)
    return kept
