"""List files change while mail flows: the next submission is judged by what is written now, and no session notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.guard import Guard
from tests.e2e.list_admin import READ, ListAdmin
from tests.e2e.mail_programs import Said, session, submit
from tests.e2e.scene import HELD, Scene
from tests.e2e.stack import Letter, Stack
from tests.e2e.writing import new_subject
from tests.ports import wait_until

pytestmark = pytest.mark.e2e

PAIR = ("berlin", "brandenburg")
AGREED = {"berlin": {"crosspost_with": ["brandenburg"]}, "brandenburg": {"crosspost_with": ["berlin"]}}
UNUSABLE, MENDED = "lists/berlin.yaml cannot be used as it is", "lists/berlin.yaml is in order again"
BROKEN = "list: berlin@lists.example.test\nmanager: mailman3\nmanager: sympa\n"
TWICE = {"anna": 2, "ben": 1, "clara": 2, "dora": 1}
SETTLED = 180.0  # seconds until Mailman has worked off two streams of posts
BREATH = 0.5  # seconds between two mails of a stream: Mailman takes some tenths for each post


class Stream:
    """One member's mails to `names`, one after the other through one session, until `ends`."""

    def __init__(self, scene: Scene, *names: str) -> None:
        self.scene = scene
        self.names = names
        self.said: list[tuple[str, Said]] = []
        self.ends = threading.Event()

    def run(self) -> None:
        """Raises what smtplib does if the session is closed or a reply is no reply."""
        member, to = self.scene.member, self.scene.addresses(*self.names)
        with session(self.scene.stack, self.scene.guard.submission, member) as client:
            while not self.ends.is_set():
                subject = new_subject()
                content = self.scene.write(subject, *self.names)
                self.said.append((subject, submit(client, member.address, to, content)))
                self.ends.wait(BREATH)
            assert client.noop()[0] == 250


def following(*streams: Stream, count: int = 2) -> list[list[str]]:
    """What becomes of the next mails of each stream that begin from now on: `passed`, `held` or the server's words."""
    begun = [len(each.said) + 1 for each in streams]  # one may be under way
    both = list(zip(streams, begun, strict=True))
    wait_until("mail flows", lambda: all(len(each.said) >= first + count for each, first in both), READ)
    return [[outcome(said) for _, said in each.said[first : first + count]] for each, first in both]


def outcome(said: Said) -> str:
    if said == Said(250, HELD):
        return "held"
    return "passed" if said.code == 250 and "queued as" in said.text else f"{said.code} {said.text}"


@contextmanager
def flowing(*streams: Stream) -> Iterator[None]:
    """Mail flows for the length of a with-block; what went wrong in a stream is raised behind it."""
    with ThreadPoolExecutor(len(streams)) as pool:
        running = [pool.submit(each.run) for each in streams]
        try:
            yield
        finally:
            for each in streams:
                each.ends.set()
            for one in running:
                one.result()


def test_list_files_change_while_mail_flows(stack: Stack, tmp_path: Path) -> None:
    with stack.mailman.owned(stack.lists["berlin"], "dora"), Guard(stack, tmp_path, lists=AGREED) as guard:
        admin = ListAdmin(guard)
        anna, clara = (Stream(Scene(stack, guard, name), *PAIR) for name in ("anna", "clara"))
        ben = Stream(Scene(stack, guard, "ben"), "emil")
        pairs, good = (anna, clara), admin.file("berlin").read_text()
        told = {each: letters(stack, each) for each in (UNUSABLE, MENDED)}

        with flowing(anna, clara, ben):
            assert following(*pairs) == [["passed"] * 2] * 2

            admin.change("berlin", crosspost_with=None)
            assert following(*pairs) == [["held"] * 2] * 2

            admin.replace("berlin", BROKEN)
            assert following(*pairs) == [["held"] * 2] * 2  # as its last good version says
            letter = next_letter(stack, told, UNUSABLE)
            assert 'lists/berlin.yaml:3:1: "manager" is written twice (first in line 2)' in letter.text
            assert "lists/berlin.yaml: its last good version is in force" in admin.wait_for_live(1).words

            admin.replace("berlin", BROKEN + "about: broken otherwise\n")  # of which nobody is told anew
            admin.replace("berlin", good)
            assert following(*pairs) == [["passed"] * 2] * 2
            assert following(ben) == [["passed"] * 2]

        next_letter(stack, told, MENDED)
        assert "5 files in force" in admin.wait_for_live(0).words

    stack.settle(SETTLED)
    inboxes = {name: [each.subject for each in stack.inbox(name)] for name in stack.members}
    for stream, readers in ((anna, TWICE), (clara, TWICE), (ben, {"emil": 1})):
        for subject, said in stream.said:
            posts = {name: sum(each.endswith(subject) for each in subjects) for name, subjects in inboxes.items()}
            notices = [each for each in inboxes[stream.scene.member.name] if f'NOT SENT YET: "{subject}"' in each]
            expected = {"passed": (readers, 0), "held": ({}, 1)}[outcome(said)]
            assert ({name: count for name, count in posts.items() if count}, len(notices)) == expected
    assert {outcome(said) for _, said in ben.said} == {"passed"}
    for each, before in told.items():
        assert letters(stack, each) == before + 1


def letters(stack: Stack, subject: str) -> int:
    """How often the owner of berlin has been told this about its file."""
    return len([each for each in stack.inbox("dora") if subject in each.subject])


def next_letter(stack: Stack, told: Mapping[str, int], subject: str) -> Letter:
    """What the owner is told now."""
    return stack.wait_for("dora", subject=subject, count=told[subject] + 1, seconds=60)[-1]
