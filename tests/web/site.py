"""A running guard with its page, and a browser's requests as plain octets: no library mends what is sent.

async with paged(tmp_path) as (house, site):
    code = site.code(await house.letter())
    view = await site.show(code)
    done = await site.choose(view, word="SEND")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from smtpguard.answers.token import Token, find_tokens
from tests.loopback.guarded import ALL, BERLIN, House, body, guarded
from tests.ports import free_port

ORIGIN = "https://mailcheck.example.test"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    """An answer of the page; `fields` has the names of header fields in lower case."""

    status: int
    fields: Mapping[str, str]
    octets: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.octets.decode("utf-8")

    @property
    def words(self) -> str:
        """What a reader sees, in one line."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<head>.*?</head>", "", self.text))).split())

    @property
    def title(self) -> str:
        found = re.search(r"<title>(.*?)</title>", self.text)
        return unescape(found[1]) if found else ""

    def hidden(self, name: str) -> str:
        """The value of a hidden field, the first of that name."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        return unescape(found[1]) if found else ""


class PageSite:
    """A visitor of the page."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def raw(self, octets: bytes, *, host: str = "127.0.0.1") -> bytes:
        """What comes back for `octets`, until the other side closes."""
        reader, writer = await asyncio.open_connection(host, self.port)
        try:
            writer.write(octets)
            await writer.drain()
            async with asyncio.timeout(60):
                return await reader.read()
        finally:
            writer.close()

    async def request(
        self, method: str, target: str, octets: bytes = b"", fields: Mapping[str, str | list[str]] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        lines = [f"{method} {target} HTTP/1.1", "Host: whoever.example", "Connection: close"]
        for name, value in (fields or {}).items():
            lines += [f"{name}: {each}" for each in ([value] if isinstance(value, str) else value)]
        if octets and "Transfer-Encoding" not in (fields or {}):
            lines.append(f"Content-Length: {len(octets)}")
        return parsed(await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + octets))

    async def get(self, target: str, **fields: str) -> Answer:
        return await self.request("GET", target, fields={name.replace("_", "-"): each for name, each in fields.items()})

    async def post(self, target: str, form: Mapping[str, str], **fields: Any) -> Answer:
        """A form as our own page sends it; `fields` change its header, None takes one away."""
        header: dict[str, Any] = {"Origin": ORIGIN, "Content-Type": FORM}
        header.update({name.replace("_", "-"): value for name, value in fields.items()})
        header = {name: value for name, value in header.items() if value is not None}
        return await self.request("POST", target, urlencode(form).encode(), header)

    async def show(self, code: str, **fields: Any) -> Answer:
        return await self.post("/show", {"code": code}, **fields)

    async def choose(self, view: Answer, **form: str) -> Answer:
        """The second step, with the hidden values of `view`."""
        return await self.post("/choose", {"code": view.hidden("code"), "seen": view.hidden("seen"), **form})

    async def type(self, view: Answer, word: str) -> Answer:
        return await self.choose(view, word=word)

    async def press(self, view: Answer, button: str) -> Answer:
        return await self.choose(view, press=button, sure="yes")


def parsed(octets: bytes) -> Answer:
    """An answer in HTTP/1.1 octets, whole."""
    head, _, rest = octets.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        assert name.lower() not in fields, f"{name} stands there twice"
        fields[name.lower()] = value
    return Answer(int(lines[0].split()[1]), fields, rest)


def code_of(notice: EmailMessage) -> str:
    """The code of a notice."""
    found = find_tokens(body(notice))
    assert len(found) == 1
    return found[0].code


def other_code(number: int = 0) -> str:
    """A code that nobody has been sent."""
    return Token(number.to_bytes(32, "big")).code


async def hold(house: House, number: int = 1, **parts: Any) -> str:
    """Have a mail of Anna's held; the code of its notice, which is the `number`th mail of the guard's own."""
    reply = await house.submit("anna", [BERLIN, ALL], **parts)
    assert 250 == reply.code, reply
    return code_of(await house.letter(number))


@asynccontextmanager
async def paged(
    folder: Path, *, show: str = "full", for_browsers: bool = False, **changes: Any
) -> AsyncIterator[tuple[House, PageSite]]:
    """A guard with its page; `changes` replace keys of smtpguard.yaml. `for_browsers`: its address is its own."""
    # Such a page has to know its own address before it is opened.
    port = free_port() if for_browsers else 0
    web = {"show": show, "listen": f"127.0.0.1:{port}", **changes.pop("web", {})}
    settings = {"public_url": f"http://127.0.0.1:{port}" if for_browsers else ORIGIN, "web": web, **changes}
    async with guarded(folder, **settings) as house:
        page = house.application._page
        assert page is not None
        yield house, PageSite(page.port)
