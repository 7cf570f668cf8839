"""A form as a browser sends it: urlencoded, small, and in time. Nothing else is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request

# A code with whatever was pasted around it, the value of a view, a word, each coded in up to three characters for one.
FORM_OCTETS_MAX = 8 * 1024
# Ours has four fields.
FIELDS_MAX = 8
# A form is one packet; a phone in a tunnel needs some seconds, and whoever sends drop by drop is let go.
FORM_SECONDS = 15.0

_TYPE = "application/x-www-form-urlencoded"


class FormError(Exception):
    """No form that we take; `status` says why (RFC 9110, 15.5)."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form by name, the first of each.

    Raises FormError: 415 for another content type, 413 for one too large, 408 for one too slow, 400 for a broken one.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise FormError(415)
    if "content-encoding" in request.headers:
        raise FormError(415)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:20]) > FORM_OCTETS_MAX:
        raise FormError(413)
    octets = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for piece in request.stream():
                octets += piece
                if len(octets) > FORM_OCTETS_MAX:
                    raise FormError(413)
    except TimeoutError:
        raise FormError(408) from None
    except ClientDisconnect:
        raise FormError(400) from None
    try:
        fields = parse_qs(
            octets.decode("ascii"), keep_blank_values=True, errors="replace", max_num_fields=FIELDS_MAX, separator="&"
        )
    except ValueError:
        raise FormError(400) from None
    return {name: values[0] for name, values in fields.items()}
