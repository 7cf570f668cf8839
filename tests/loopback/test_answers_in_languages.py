"""Members answer in the words of their notice, in those of the site's other languages, and in English."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.answers.choice import Word
from smtpguard.config.texts import shipped
from tests.loopback.guarded import ALL, BERLIN, guarded

pytestmark = pytest.mark.slow

STATES = {Word.SEND: "sent", Word.ONLY: "sent", Word.DISCARD: "discarded", Word.BACK: "discarded"}
CODES = shipped().codes


@pytest.mark.parametrize("of_notice", CODES)
async def test_every_printed_word_of_every_language_has_its_effect(tmp_path: Path, of_notice: str) -> None:
    accounts = {"anna": {"mailbox": "anna@example.test", "language": of_notice}}
    async with guarded(tmp_path, accounts=accounts) as house:
        letters = 0
        for code in CODES:
            for word, expected in STATES.items():
                await house.submit("anna", [BERLIN, ALL], subject=f"{code} {word.value}")
                letters += 1
                notice = await house.letter(letters)
                printed = shipped().of(code).words[word][0]
                states = house.states()
                line = f"{printed.capitalize()} 2" if word is Word.ONLY else f"{printed.lower()}!"
                reply = await house.answer("anna", notice, line, Content_Type="text/plain; charset=utf-8")
                letters += 1
                await house.letter(letters)

                assert 250 == reply.code
                states.remove("held")
                assert sorted([*states, expected]) == house.states(), line
