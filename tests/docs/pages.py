"""The guides, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "config" / "README.md",
    *sorted((ROOT / "deploy").rglob("README.md")),
)  # fmt: skip

# First words that make a line of a block, or a span in the text, a command. What is not here is found by its looks.
PROGRAMS = frozenset(re.findall(
    r"\S+",
    """
    apt apt-get bash caddy cd chmod chown cp createdb curl dig docker doveadm dpkg git helm install journalctl
    kubectl ln mailman make man mkdir mv nft nginx openssl pg_dump pip podman postconf postfix postmap promtool
    printf psql python python3 rm sed sh smtpguard smtpguard-as-service sqlite3 su sudo swaks systemctl
    systemd-analyze systemd-creds systemd-sysusers systemd-tmpfiles tar tee touch umask zcat
    """,
))  # fmt: skip
SHELL = ("sh", "bash", "console", "shell")
# What stands behind these is a command, too, wherever it is run.
_INSIDE = re.compile(r"^(podman exec \S+|docker compose exec \S+|kubectl -n \S+ exec \S+ --) ")
_FENCE = re.compile(r"\s*```(\w*)")
_SPAN = re.compile(r"`([^`]+)`")
_REMARK = re.compile(r"(^|\s)#\s.*$")
# A line that begins with a word like a program's and has an option or a pipe is a command.
_LOOKS = re.compile(r"^(sudo )?[a-z/.][\w./+-]*( [^:=]*)?( --?[a-z]|\| |&& )")


@dataclass(frozen=True)
class Command:
    """`text` is one command as it is typed; `whole` if it stands in a block and not in the midst of a sentence."""

    page: str
    line: int
    text: str
    whole: bool

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Block:
    """Lines that are shown as they are; `language` is that of a fence, "" without one."""

    line: int
    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """Fenced and indented blocks of a page."""
    lines = text.splitlines()
    held: list[str] = []
    language: str | None = None
    fenced, start = False, 0
    for number, line in enumerate([*lines, ""], 1):
        fence = _FENCE.match(line)
        if fence and not fenced:
            fenced, language, start, held = True, fence[1], number + 1, []
        elif fence:
            yield Block(start, language or "", "\n".join(held))
            fenced, held = False, []
        elif fenced or (line.startswith("    ") and (held or not lines[number - 2].strip())):
            start = start if held or fenced else number
            held.append(line.strip())
        elif held and line.strip():
            yield Block(start, "", "\n".join(held).rstrip())
            held = []
        elif held:
            held.append("")
    if held:
        yield Block(start, "", "\n".join(held).rstrip())


def _is_command(line: str, language: str) -> bool:
    return bool(line) and (
        language in SHELL
        or (not language and (line.split(maxsplit=1)[0] in PROGRAMS or _LOOKS.match(line) is not None))
    )


def _parts(line: str) -> list[str]:
    """Commands of one line: what stands between `&&` and `;`, without a remark."""
    parts = (each.strip() for each in re.split(r"&&|;", _REMARK.sub("", line)))
    return [_INSIDE.sub("", each) for each in parts if each]


def commands_of(path: Path) -> Iterator[Command]:
    """Every command of a page, in order; those of blocks first."""
    text = path.read_text("utf-8")
    page = path.relative_to(ROOT).as_posix()
    for block in blocks(text):
        lines = block.text.replace("\\\n", " ").splitlines()
        for number, line in enumerate(lines, block.line):
            if _is_command(line, block.language):
                yield from (Command(page, number, each, True) for each in _parts(line))
    for number, each in _spans(text):
        if each.split()[0] in PROGRAMS and len(each.split()) > 1:
            yield from (Command(page, number, part, False) for part in _parts(each))


def _spans(text: str) -> Iterator[tuple[int, str]]:
    """Code in the midst of a sentence, which may go over the end of a line."""
    shown = {block.line + number for block in blocks(text) for number in range(block.text.count("\n") + 1)}
    fences = {n for n, line in enumerate(text.splitlines(), 1) if _FENCE.match(line)}
    lines = ["" if n in shown | fences else line for n, line in enumerate(text.splitlines(), 1)]
    for paragraph in re.finditer(r"(?:.+\n?)+", "\n".join(lines)):
        start = "\n".join(lines)[: paragraph.start()].count("\n") + 1
        for found in _SPAN.finditer(paragraph[0]):
            yield start + paragraph[0][: found.start()].count("\n"), " ".join(found[1].split())


COMMANDS = [each for page in PAGES for each in commands_of(page)]
