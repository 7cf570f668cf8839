"""Replies of our own: short, ASCII, one line, with a code that fits."""

from __future__ import annotations

import re

import pytest

from smtpguard import replies
from smtpguard.mail.reply import Reply

OURS = {name: each for name, each in vars(replies).items() if isinstance(each, Reply)}


@pytest.mark.parametrize("reply", OURS.values(), ids=OURS.keys())
def test_each_is_one_short_line_with_its_enhanced_code(reply: Reply) -> None:
    assert len(reply.lines) == 1
    assert len(reply.wire) <= 512
    assert reply.wire.isascii()
    if reply.code != 354:
        # RFC 2034, 4: the class of the enhanced code is that of the reply.
        assert re.match(rf"{reply.code // 100}\.\d\.\d+ \S", reply.lines[0])
