"""Rule 11 in a running guard that remembers private mail: asked for its own members alone, and not too often."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.logs import caught
from tests.loopback.guarded import BERLIN, MEMBERS, House, Submitted, body, guarded

ANNA, BEN, CLARA = (MEMBERS[each] for each in ("anna", "ben", "clara"))
LETTER = (
    "Between us, I think that the new plan costs far more than we have told anybody, and the council will find out "
    "about it when the roof of the old mill has to be paid before the winter."
)
QUOTE = f"What do you say?\n\nOn Fri, 20 Nov 2026 at 10:12, Ben <{BEN}> wrote:\n> {LETTER}"
ANSWER = {"In-Reply-To": "<letter@example.test>"}
REMEMBERS: dict[str, Any] = {"remember": "all", "members_informed": "2026-01-01", "member_domains": ["example.test"]}


def is_held(reply: Submitted) -> bool:
    assert reply.code == 250, reply
    return "NOT SENT YET" in reply.text


async def settled(house: House) -> None:
    """Wait until what was taken is remembered."""
    keeper = house.application._keeper
    assert keeper is not None
    await keeper.past._origins.settle()


async def letter(house: House, to: Sequence[str] = (ANNA,), **parts: Any) -> None:
    """Ben writes to Anna privately, or to these."""
    given = {"subject": "The plan", "body": LETTER, "message_id": "<letter@example.test>", **parts}
    assert not is_held(await house.submit("ben", to, **given))
    await settled(house)


async def test_11_02_private_text_is_held_however_it_gets_into_the_mail_and_nobody_gets_it(tmp_path: Path) -> None:
    async with guarded(tmp_path, **REMEMBERS) as house:
        await letter(house)
        forward = f"Look.\n\n---------- Forwarded message ---------\nFrom: Ben <{BEN}>\nTo: Anna <{ANNA}>\n"
        ways = {
            "quoted": QUOTE,
            "pasted": f"Somebody has told me this: {LETTER}",
            "forwarded": f"{forward}Date: Fri, 20 Nov 2026 at 10:12\nSubject: The plan\n\n{LETTER}",
        }
        for number, (subject, text) in enumerate(ways.items(), 1):
            assert is_held(await house.submit("anna", [BERLIN], subject=subject, body=text)), subject
            said = " ".join(body(await house.letter(number)).split())
            assert "Why: it would take words from a private mail to the list berlin (rule 11)." in said
            assert re.search('It is the part that begins: "Between us,? I think that the new plan', said)
            assert "This text was sent to you privately on " in said
            assert ", not through a list. It may sit further down in the quoted history." in said

        assert 1 == len(house.up.messages)


async def test_11_04_own_letters_pass_11_03_taking_in_a_person_passes_11_27_and_a_desk_is_not_asked(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path, **REMEMBERS) as house:
        await letter(house)

        assert is_held(await house.submit("anna", [CLARA], subject="Guess what", body=LETTER))
        assert not is_held(
            await house.submit(
                "anna", [BEN, CLARA], subject="Re: The plan", body=QUOTE, in_reply_to=ANSWER["In-Reply-To"]
            )
        )
        assert not is_held(await house.submit("anna", [ANNA], subject="A copy", body=LETTER))
        assert not is_held(await house.submit("anna", ["commission@example.test"], subject="Please help", body=LETTER))
        assert not is_held(await house.submit("ben", [BERLIN], subject="My letter", body=LETTER))
        assert 5 == len(house.up.messages)


async def test_11_14_a_wish_not_to_pass_it_on_counts_in_the_open_and_11_13_a_consent_for_lists(tmp_path: Path) -> None:
    async with guarded(tmp_path, **REMEMBERS) as house:
        await letter(house, subject="The plan [please do not forward]")
        answer = {"subject": "Re: The plan", "body": QUOTE, "in_reply_to": ANSWER["In-Reply-To"]}
        assert is_held(await house.submit("anna", [BEN, CLARA], **answer))
        assert "its author has asked not to pass it on (rule 11)" in " ".join(body(await house.letter()).split())

    (other := tmp_path / "other").mkdir()
    async with guarded(other, **REMEMBERS) as house:
        await letter(house, subject="The plan [may be forwarded]")
        assert not is_held(await house.submit("anna", [BERLIN], **answer))


async def test_11_15_who_knows_that_the_author_agrees_answers_send(tmp_path: Path) -> None:
    async with guarded(tmp_path, **REMEMBERS) as house:
        await letter(house)
        assert is_held(await house.submit("anna", [BERLIN], subject="Look", body=LETTER))
        notice = await house.letter()
        assert "send it just as it is - for example because the writer agreed" in body(notice)

        assert 250 == (await house.answer("anna", notice, "SEND")).code
        assert [(b"TO:<berlin@lists.example.test>",)] == [each.rcpts for each in house.released()]


async def test_T_12_a_thread_counts_only_for_those_who_wrote_or_got_its_mails(tmp_path: Path) -> None:
    async with guarded(tmp_path, **{**REMEMBERS, "remember": "threads"}) as house:
        await letter(house)
        answer = {"subject": "Re: The plan", "body": "Shall we meet?", "in_reply_to": ANSWER["In-Reply-To"]}

        assert not is_held(await house.submit("clara", [BERLIN], **answer))
        assert is_held(await house.submit("anna", [BERLIN], **answer))
        said = " ".join(body(await house.letter()).split())
        assert "it would take an answer to a private mail to the list berlin (rule 11)" in said


async def test_T_14_the_roster_cannot_be_guessed_by_trying(tmp_path: Path) -> None:
    roster = tmp_path / "roster.txt"
    roster.write_text(f"{ANNA}\n{BEN}\n{CLARA}\n", "utf-8")
    changes = {**REMEMBERS, "member_domains": None, "roster": "roster.txt"}
    async with guarded(tmp_path, limits={"alarms_per_account_and_hour": 3}, **changes) as house:
        await letter(house, to=(ANNA, CLARA))
        with caught() as log:
            for number in range(3):
                assert is_held(await house.submit("anna", [f"guess{number}@elsewhere.test"], body=f"{number} {LETTER}"))
            refused = await house.submit("anna", ["guess3@elsewhere.test"], body=f"3 {LETTER}")

        assert 550 == refused.code
        assert refused.text.startswith("5.7.1 Not sent: too many of your mails had to be asked about within an hour")
        assert ["held"] * 3 == house.states()
        assert "guess" not in log.getvalue()
        # Nobody else has to wait, and neither does other mail.
        assert not is_held(await house.submit("anna", [BERLIN], subject="Minutes"))
        assert is_held(await house.submit("anna", [BERLIN], subject="Look", body=LETTER))
        assert is_held(await house.submit("clara", ["guess3@elsewhere.test"], subject="Look", body=LETTER))


async def test_T_14_a_notice_that_never_came_tells_nobody_anything(tmp_path: Path) -> None:
    (tmp_path / "roster.txt").write_text(f"{ANNA}\n{BEN}\n", "utf-8")
    changes = {**REMEMBERS, "member_domains": None, "roster": "roster.txt"}
    async with guarded(tmp_path, limits={"alarms_per_account_and_hour": 1}, **changes) as house:
        await letter(house)
        house.out.on("RCPT", reply=b"452 4.2.2 mailbox full\r\n", times=2)
        for _ in range(2):
            assert 451 == (await house.submit("anna", ["guess@elsewhere.test"], body=LETTER)).code

        assert is_held(await house.submit("anna", ["guess@elsewhere.test"], body=LETTER))
        assert 550 == (await house.submit("anna", ["other@elsewhere.test"], subject="Again", body=LETTER)).code
