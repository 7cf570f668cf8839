"""A mail server that keeps a copy of all mail (`always_bcc`), and what of the guard's own mail is in it: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.guard import Guard
from tests.e2e.scene import Scene
from tests.e2e.stack import GUARD_ADDRESS, Stack
from tests.e2e.writing import new_subject

pytestmark = pytest.mark.e2e

BOTH = ("berlin", "brandenburg")


@contextmanager
def all_mail_copied(stack: Stack, address: str) -> Iterator[None]:
    """Postfix copies to `address` what comes in by ports that map addresses."""
    with stack.postfix.adding("", (), main=f"always_bcc = {address}\n"):
        yield
        stack.settle()


def test_T_29_a_server_that_copies_all_mail_copies_no_notice_and_no_code(stack: Stack, guard: Guard) -> None:
    anna, keeper = Scene(stack, guard), stack.members["emil"]
    with all_mail_copied(stack, keeper.address):
        plain, held = new_subject(), new_subject()
        assert anna.send(anna.write(plain, "dora"), "dora").code == 250
        # So copies are kept, of mail that comes by the port for members.
        stack.wait_for(keeper, subject=plain)

        notice = anna.hold(held, *BOTH)
        code = str(notice.message["Reply-To"]).partition("+")[2].partition("@")[0]
        assert anna.answer(notice, "ONLY 1").code == 250
        anna.told("Sent", held)

        after = new_subject()
        assert anna.send(anna.write(after, "dora"), "dora").code == 250
        stack.wait_for(keeper, subject=after)
        stack.settle()
        kept = stack.inbox(keeper)

    assert len(code) == 52
    assert not [each for each in kept if GUARD_ADDRESS in str(each.message["From"])]
    for each in kept:
        assert code.encode() not in each.content
        assert f"{code[:4]}-{code[4:8]}".encode() not in each.content
