"""Six mail programs through the guard, over STARTTLS and over TLS from the first octet: none can tell it from the mail
server behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.at_home import PROGRAMS, Errand, Outcome, Program
from tests.e2e.guard import START, Guard
from tests.e2e.mail_programs import Place
from tests.e2e.scene import Scene, is_as_sent
from tests.e2e.stack import LIST_DOMAIN, Stack
from tests.e2e.tap import tapped
from tests.e2e.writing import new_subject
from tests.ports import HOST, answers, free_port, wait_until

pytestmark = pytest.mark.e2e

TEXT = (
    "Dear all,\n\n.\n..\n.a line that begins with a dot\nblanks at the end  \n\n\nGrüße, schmal und fein\n"
    + "word " * 60
    + "\n"
)

EVERY_PROGRAM = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
EVERY_TLS = pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])


class House:
    """A guard with two doors, and the programs' homes."""

    def __init__(self, stack: Stack, guard: Guard, implicit_place: Place) -> None:
        self.stack = stack
        self.guard = guard
        self.doors = {False: guard.submission, True: implicit_place}

    def errand(self, home: Path, to: list[str], *, implicit: bool, place: Place | None = None, **more: Any) -> Errand:
        """anna's mail with a fresh subject, to be brought to the door or to `place`."""
        more.setdefault("subject", new_subject())
        more.setdefault("text", TEXT)
        anna = self.stack.members["anna"]
        return Errand(home, self.stack.ca_file, place or self.doors[implicit], implicit, anna, to, **more)

    def both_ways(
        self, program: Program, home: Path, to: list[str], *, implicit: bool, password: str = ""
    ) -> list[Outcome]:
        """What the user sees where the program talks to the mail server itself, and through the guard."""
        places = (self.stack.submissions if implicit else self.stack.submission, self.doors[implicit])
        errands = []
        for number, place in enumerate(places):
            (home / str(number)).mkdir()
            errand = self.errand(home / str(number), to, implicit=implicit, place=place, password=password)
            errands.append(errand)
        with ThreadPoolExecutor() as pool:
            return list(pool.map(program, errands))


@pytest.fixture(scope="module")
def house(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    port = free_port()
    wrapped = {"kind": "submission", "listen": f"{HOST}:{port}", "tls": "implicit"}
    with Guard(stack, folder, more_doors=[wrapped]) as guard:
        wait_until("the second door answers", lambda: answers(port), START)
        yield House(stack, guard, (HOST, port))


@EVERY_TLS
@EVERY_PROGRAM
def test_what_a_program_sends_arrives_to_the_octet(
    house: House, tmp_path: Path, program: Program, *, implicit: bool
) -> None:
    to = [house.stack.members["dora"].address, house.stack.lists["press"].address]
    with tapped(house.stack, house.doors[implicit], implicit=implicit) as line:
        errand = house.errand(tmp_path, to, implicit=implicit, place=line.place)
        outcome = program(errand)

    assert outcome.code == 0, outcome.output
    [copy] = house.stack.wait_for("dora", subject=errand.subject)
    assert is_as_sent(copy.content, line.content())
    assert b"\r\n..\r\n" in line.content()
    assert "Grüße, schmal und fein" in copy.text
    [post] = house.stack.wait_for("emil", subject=errand.subject)  # by the list
    assert post.message["List-Id"] == "<press.lists.example.test>"


@EVERY_TLS
@EVERY_PROGRAM
def test_a_wrong_password_shows_the_mail_servers_own_words(
    house: House, tmp_path: Path, program: Program, *, implicit: bool
) -> None:
    to = [house.stack.members["dora"].address]

    direct, through_the_guard = house.both_ways(
        program, tmp_path, to, implicit=implicit, password="no password of hers"
    )

    shown = _refusals(direct, "535")
    assert _refusals(through_the_guard, "535") == shown
    assert shown[0].startswith("535 5.7.8 Error: authentication failed")
    assert through_the_guard.code == direct.code != 0


@EVERY_PROGRAM
def test_an_unknown_list_shows_the_mail_servers_own_words(house: House, tmp_path: Path, program: Program) -> None:
    to = [f"nowhere@{LIST_DOMAIN}"]

    direct, through_the_guard = house.both_ways(program, tmp_path, to, implicit=False)

    shown = _refusals(direct, "550")
    assert _refusals(through_the_guard, "550") == shown
    assert shown[0].startswith("550 5.1.1 <nowhere@lists.example.test>: Recipient address rejected: User unknown")
    assert through_the_guard.code == direct.code != 0


def _refusals(outcome: Outcome, code: str) -> list[str]:
    """What the program shows of replies with this code, each once."""
    found = re.findall(rf"\b{code} \d\.\d\.\d [^\r\n]*", outcome.output.replace("\n ", " "))
    return list(dict.fromkeys(each.strip() for each in found))


@EVERY_TLS
@EVERY_PROGRAM
def test_a_held_mail_looks_like_a_sent_one_and_the_notice_comes(
    house: House, tmp_path: Path, program: Program, *, implicit: bool
) -> None:
    scene = Scene(house.stack, house.guard)
    errand = house.errand(tmp_path, scene.addresses("berlin", "brandenburg"), implicit=implicit)

    outcome = program(errand)

    assert outcome.code == 0, outcome.output
    notice = scene.notice(errand.subject)
    assert "(rule 12)" in notice.text
    assert scene.got(errand.subject) == {}
