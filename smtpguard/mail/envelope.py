"""What MAIL and RCPT said (RFC 5321, 4.1.1.2 and 4.1.1.3), kept as typed.

Arguments are text decoded as UTF-8 with `surrogateescape`, so that every octet a client typed comes out again by
encoding the same way. The parsed address beside it serves decisions only; it is never sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtpguard.mail.address import Address, parse_address

# RFC 5321, 4.1.1.2: "MAIL FROM:" Reverse-path [SP Mail-parameters]. Blanks around the colon are typed by old clients.
# A "<" inside the brackets is refused: servers differ in what they read there.
_PATH_ARGUMENT = re.compile(
    r"""(?:FROM|TO)[ \t]?:[ \t]*(?P<path><(?:"(?:\\.|[^"\\])*"|[^"<>])*>|[^ \t<>]+)(?:[ \t]+(?P<parameters>.+))?""",
    re.IGNORECASE | re.DOTALL,
)
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Path:
    """A reverse-path or forward-path as typed, with its ESMTP parameters verbatim.

    `typed` has its angle brackets if the client wrote them; `address` is None for `<>` or where none could be read.
    """

    typed: str
    address: Address | None
    parameters: tuple[str, ...] = ()

    @property
    def is_null(self) -> bool:
        """True for `<>`, the null reverse-path of bounces and receipts."""
        return self.typed.replace(" ", "") == "<>"

    def parameter(self, keyword: str) -> str | None:
        """Value of the ESMTP parameter `keyword` ('' if it has none), or None if it was not given. Case-blind."""
        wanted = keyword.upper()
        for parameter in self.parameters:
            name, _, value = parameter.partition("=")
            if name.upper() == wanted:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One reverse-path and the recipients that the upstream accepted, in the order of RCPT."""

    reverse_path: Path
    recipients: tuple[Path, ...]


def parse_path(argument: str) -> Path | None:
    """Read the argument of MAIL (`FROM:<a@b> SIZE=1`) or RCPT (`TO:<a@b> NOTIFY=NEVER`).

    Returns None where no path can be found; never raises. Nothing is normalised.
    """
    match = _PATH_ARGUMENT.fullmatch(argument.strip(" \t"))
    if match is None:
        return None
    typed = match["path"]
    # Not str.split(): that would also cut at the blanks of Unicode, and an octet of the client would be lost.
    parameters = tuple(_BLANKS.split(match["parameters"])) if match["parameters"] else ()
    return Path(typed, parse_address(typed), parameters)
