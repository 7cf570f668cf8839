"""The house keeps its own rules: imports point down, the core is pure, no file grows out of hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "smtpguard"

# ARCHITECTURE.md, "Floors": from the ground up, storey by storey. A room may use what lies on a lower line, never its
# own. A folder stands for all its modules.
STOREYS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("__init__",)),
    (0, ("mail",)),
    (1, ("words",)),
    (1, ("lists",)),
    (1, ("roles", "topics")),
    (1, ("policy", "evidence", "verdict")),
    (1, ("accounts", "held", "remembered", "remembered_mail")),
    (2, ("stock",)),
    (2, ("layout",)),
    (2, ("prose",)),
    (2, ("copying", "stock_phrases")),
    (2, ("fingerprints", "sketch", "figures")),
    (2, ("checks", "rows", "answers", "seal", "sealed_mail", "tags", "marks", "replies")),
    (2, ("distribution",)),
    (2, ("waiting",)),
    (2, ("remembrance", "private_mail", "tracing")),
    (2, ("excuses",)),
    (2, ("passing",)),
    (2, ("judgement", "notices")),
    (2, ("outcomes",)),
    (3, ("patience", "pace", "turns")),
    (3, ("tls_context", "whole_file")),
    (3, ("decided_file",)),
    (3, ("key_file",)),
    (3, ("keyshare",)),
    (3, ("erased_names",)),
    (3, ("store", "upstream", "config", "maillog", "keys", "spool", "failpoints", "process")),
    (3, ("headcount", "frequency", "bulletin", "slots")),
    (3, ("status", "watch", "archives", "systemd")),
    (4, ("decisions",)),
    (4, ("examination", "reading", "safe", "correspondence", "claims", "key_ring", "writer")),
    (4, ("retention", "seeding")),
    (4, ("recollection", "origins", "corrections", "counting", "learning")),
    (4, ("past", "alarms", "concurrent_posts")),
    (4, ("holding", "release", "housekeeping", "file_letters")),
    (4, ("deciding",)),
    (4, ("answering",)),
    (4, ("guard",)),
    (4, ("rules_page",)),
    (5, ("listener", "web")),
    (6, ("certificates", "databases")),
    (6, ("metrics",)),
    (6, ("doors", "state")),
    (6, ("reload",)),
    (6, ("exits", "grounds")),
    (6, ("workplace",)),
    (6, ("keeper",)),
    (6, ("app", "explain", "supervisor")),
    (6, ("signals",)),
    (6, ("demo",)),
    (6, ("tools",)),
    (6, ("cli",)),
    (6, ("__main__",)),
)
FLOORS = {name: floor for floor, names in STOREYS for name in names}
HEIGHT = {name: height for height, (_, names) in enumerate(STOREYS) for name in names}
# Floors 0 to 2: time and randomness come in as arguments, and nothing there touches the world.
PURE_UP_TO = 2
IMPURE = frozenset(
    [
        "asyncio",
        "os",
        "time",
        "random",
        "secrets",
        "logging",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "sqlite3",
        "tempfile",
        "shutil",
        "aiosmtpd",
        "yaml",
    ]
)
LINES_MAX = 400

SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The folder or top-level module that `path` belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that `path` imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: imports are absolute"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def own_room(name: str) -> str | None:
    """The room that the dotted `name` lies in, None if it is not ours."""
    parts = name.split(".")
    if parts[0] != "smtpguard":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "__init__"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_or_stay_in_their_room(path: Path) -> None:
    here = room(path)
    assert here in FLOORS, f"{here} has no floor: put it into the table here and in ARCHITECTURE.md"
    for line, name in imports(path):
        there = own_room(name)
        if there is None or there == here:
            continue
        assert HEIGHT[there] < HEIGHT[here], f"{path.name}:{line}: {here} imports {there}, which does not lie below it"


@pytest.mark.parametrize(
    "path",
    [each for each in SOURCES if FLOORS.get(room(each), 9) <= PURE_UP_TO],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_core_is_pure(path: Path) -> None:
    for line, name in imports(path):
        assert name.split(".")[0] not in IMPURE, f"{path.name}:{line}: the core does not import {name}"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        assert not isinstance(node, ast.AsyncFunctionDef), f"{path.name}: the core is not async"
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            pytest.fail(f"{path.name}:{node.lineno}: the core knows no clock")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_grows_out_of_hand(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LINES_MAX


def test_every_row_named_in_the_code_has_a_sentence() -> None:
    from smtpguard.rows import ROWS

    named = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(node.value) == 5
        and node.value[:3] in ("11-", "12-", "90-")
    }

    assert named <= set(ROWS)
