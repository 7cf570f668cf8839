"""What the guard writes into its log and its state folder: enough to follow a mail, nothing about who wrote what."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from tests.e2e.guard import Guard
from tests.e2e.mail_programs import Said, session
from tests.e2e.scene import HELD, Scene
from tests.e2e.stack import GUARD_USER, Stack
from tests.e2e.writing import TEXT, forwarded, letter, new_subject

pytestmark = pytest.mark.e2e

PRIVATE = "I would rather not say so in front of everybody, but the treasurer has not read the report at all."
QUEUED = re.compile(r"queued as ([0-9A-F]+)")


def _code(scene: Scene, subject: str) -> str:
    return str(scene.notice(subject).message["Reply-To"]).partition("+")[2].partition("@")[0]


def test_t_53_the_log_of_a_whole_run_names_nobody_and_nothing(stack: Stack, tmp_path: Path) -> None:
    subjects = [new_subject() for _ in range(6)]
    passed, sent, refused, private, thrown, killed = subjects
    with Guard(stack, tmp_path, changes={"log": {"level": "debug"}}) as guard:
        anna, ben = Scene(stack, guard), Scene(stack, guard, "ben")
        replies = [anna.send(anna.write(passed, "berlin", "dora"), "berlin", "dora")]
        anna.answer(anna.hold(sent, "berlin", "brandenburg"), "SEND")
        with stack.sender_revoked("ben"):
            replies.append(ben.send(ben.write(refused, "berlin"), "berlin"))
        notice = ben.hold(refused, "berlin", "press")
        with stack.sender_revoked("ben"):
            ben.answer(notice, "ONLY 1")
        assert anna.answer(notice, "SEND").code == 550  # it is not hers
        body = forwarded("Dora <dora@example.test>", "Anna <anna@example.test>", PRIVATE)
        assert anna.send(letter(anna.member, anna.addresses("press"), private, body), "press") == Said(250, HELD)
        anna.answer(anna.notice(private), "BACK")
        anna.answer(anna.hold(thrown, "berlin", "press"), "DISCARD", place=stack.submission)
        anna.told("Thrown away", thrown)
        with session(stack, guard.submission) as client:
            client.docmd("AUTH", "PLAIN " + _coded("\0anna@example.test\0no password of hers"))
            client.docmd("VRFY", "anna@example.test")
            client.docmd("EXPN", "berlin@lists.example.test")
        again = anna.hold(killed, "berlin", "brandenburg")
        guard.kill()
        guard.start()
        anna.answer(again, "ONLY 2")
        anna.told("Sent", killed)
        codes = [_code(anna, subject) for subject in (sent, private, thrown, killed)] + [_code(ben, refused)]
    log = guard.log()

    for event in ("passed", "held", "released", "release-refused", "discarded", "answered", "started", "stopped"):
        assert f" event={event}" in log
    secrets = [*subjects, *codes, GUARD_USER, "treasurer", "shelf", "12-02", "rule", "password of"]
    secrets += [code[:8] for code in codes] + [f"{code[:4]}-{code[4:8]}" for code in codes]
    secrets += [*stack.lists, *stack.members, stack.outbox_account.name]
    for member in stack.members.values():
        secrets += [member.password, _coded(f"\0{member.login}\0{member.password}"), _coded(member.password)]
        secrets.append(_coded(member.login))
    assert [each for each in secrets if _names(log, each)] == []
    assert "@" not in log

    # Enough to follow a mail in the mail server's own log.
    [line] = [line for line in log.splitlines() if " event=passed " in line]
    queue_id = QUEUED.search(replies[0].text)
    assert queue_id is not None
    assert f'upstream="250 2.0.0 Ok: queued as {queue_id[1]}"' in line
    stack.wait_for_log(f" {queue_id[1]}: from=<anna@example.test>")
    for line in log.splitlines():
        if " event=released " in line:
            found = QUEUED.search(line)
            assert found is not None
            stack.wait_for_log(f" {found[1]}: from=<anna@example.test>")


def _names(log: str, secret: str) -> bool:
    """True if `secret` stands in the log as a word of its own, in any case."""
    return re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", log, re.IGNORECASE) is not None


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def test_a_waiting_mail_lies_sealed_in_the_state_folder(stack: Stack, guard: Guard) -> None:
    subject, anna = new_subject(), Scene(stack, guard)
    anna.hold(subject, "berlin", "brandenburg", "ben")

    # Copies of the settings, and which of them are in force: they name lists, and no mail.
    settings = {*(guard.state_dir / "last-good").rglob("*"), guard.state_dir / "status.json"}
    files = [each for each in guard.state_dir.rglob("*") if each.is_file() and each not in settings]
    written = b"\0".join(each.read_bytes() for each in files)

    assert b"SQLite format 3" in written
    secrets = [subject, TEXT.split(".")[0], _code(anna, subject), "12-02", *stack.lists, "anna@", "ben@"]
    assert [each for each in secrets if each.encode().lower() in written.lower()] == []
