"""What the doctor finds: one line for each check, and what all of them together mean."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from smtpguard.config.problems import printable
from smtpguard.exits import DONE, FOUND_SOMETHING, UNAVAILABLE

# A mail server's words, or an operating system's, in a line for a person.
WORDS_CHARACTERS_MAX = 200


Value = TypeVar("Value")


class Grade(Enum):
    """How a check went. SKIPPED: it could not be made, and the text says why."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Line:
    """One check. `unreachable`: a server or database that must be there is not."""

    check: str
    grade: Grade
    text: str
    unreachable: bool = False


class Sheet:
    """The lines of one part, whose name stands before each of them."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.lines: list[Line] = []

    def ok(self, text: str) -> None:
        """This is as it should be."""
        self._write(Grade.OK, text)

    def warning(self, text: str) -> None:
        """This works, and somebody should look at it."""
        self._write(Grade.WARNING, text)

    def problem(self, text: str, *, unreachable: bool = False) -> None:
        """This does not work, or is not safe."""
        self._write(Grade.PROBLEM, text, unreachable)

    def skipped(self, text: str) -> None:
        """This was not looked at, or cannot be proved from here."""
        self._write(Grade.SKIPPED, text)

    def _write(self, grade: Grade, text: str, unreachable: bool = False) -> None:
        self.lines.append(Line(self.part, grade, printable(text), unreachable))


async def looked(part: str, look: Callable[[Sheet], Awaitable[None]], seconds: float) -> Sequence[Line]:
    """What `look` writes on the sheet of `part` within `seconds`; never raises for what it meets."""
    sheet = Sheet(part)
    try:
        async with asyncio.timeout(seconds):
            await look(sheet)
    except TimeoutError:
        sheet.problem(f"this was not done after {seconds:.0f} s and was given up")
    except Exception as error:  # a bug of ours here must not hide what the other checks find
        sheet.problem(f"the check itself failed ({type(error).__name__}); please report it")
    return sheet.lines


async def in_a_thread(work: Callable[[], Value]) -> Value:
    """What `work` gives. Unlike a pool's, this thread keeps nobody from ending when a disk or a web server hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Value] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except Exception as error:
            tell(done.set_exception, error)
        else:
            tell(done.set_result, value)

    def tell(settle: Callable[[Any], None], result: object) -> None:
        try:
            loop.call_soon_threadsafe(lambda: None if done.done() else settle(result))
        except RuntimeError:
            pass  # given up, and the loop is closed

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await done


def exit_code(lines: Sequence[Line]) -> int:
    """0 all well, 1 something was found, 69 what must be there cannot be reached."""
    if any(each.unreachable for each in lines):
        return UNAVAILABLE
    found = any(each.grade in (Grade.WARNING, Grade.PROBLEM) for each in lines)
    return FOUND_SOMETHING if found else DONE


def as_words(lines: Sequence[Line]) -> Iterator[str]:
    """For a person: a line for each check, and one with the numbers."""
    width = max((len(each.check) for each in lines), default=0)
    for each in lines:
        yield f"{each.grade.value:8} {each.check:{width}}  {each.text}"
    yield ", ".join(f"{sum(each.grade is grade for each in lines)} {grade.value}" for grade in Grade)


def as_object(lines: Sequence[Line]) -> dict[str, object]:
    """For a program."""
    checks = [{"check": each.check, "result": each.grade.value, "text": each.text} for each in lines]
    return {"exit_code": exit_code(lines), "checks": checks}


def words(text: str) -> str:
    """What somebody else said, within bounds."""
    return text if len(text) <= WORDS_CHARACTERS_MAX else f"{text[:WORDS_CHARACTERS_MAX]}..."
