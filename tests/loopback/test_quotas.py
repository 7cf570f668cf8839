"""90-08: what one account may have waiting, and how often it is asked in a day (THREAT-MODEL, settings `limits`)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.loopback.guarded import ALL, BERLIN, guarded


async def test_90_08_more_than_its_share_of_mails_is_put_off_until_the_account_has_answered(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"holds_per_account": 2}) as house:
        for number in (1, 2):
            assert 250 == (await house.submit("anna", [BERLIN, ALL], subject=f"Mail {number}")).code
        refused = await house.submit("anna", [BERLIN, ALL], subject="Mail 3")

        assert 452 == refused.code
        assert refused.text.startswith(
            "4.2.2 Not sent: too many of your mails wait for your answers already, and it is"
        )
        assert "addressed to 2 lists (berlin, all-members)" in refused.text
        assert 250 == (await house.submit("ben", [BERLIN, ALL], subject="Mail 3")).code
        assert 250 == (await house.answer("anna", await house.letter(1), "DISCARD")).code
        assert 250 == (await house.submit("anna", [BERLIN, ALL], subject="Mail 3")).code
        assert ["discarded", "held", "held", "held"] == house.states()


async def test_90_08_octets_count_as_well(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"held_bytes_per_account": "64KiB"}) as house:
        large = "0123456789 abcdef\n" * 2500
        assert 250 == (await house.submit("anna", [BERLIN, ALL], subject="Large", body=large)).code

        assert 452 == (await house.submit("anna", [BERLIN, ALL], subject="Larger", body=large)).code
        assert 250 == (await house.submit("anna", [BERLIN, ALL], subject="Small")).code


async def test_90_08_a_mail_that_is_sent_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"holds_per_account": 1}) as house:
        assert 250 == (await house.submit("anna", [BERLIN, ALL])).code

        assert 250 == (await house.submit("anna", [BERLIN, ALL])).code
        assert 1 == len(house.rows())


async def test_90_08_more_notices_in_a_day_than_allowed_are_not_written(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"notices_per_account_and_day": 2}) as house:
        for number in (1, 2):
            await house.submit("anna", [BERLIN, ALL], subject=f"Mail {number}")
            await house.answer("anna", await house.letter(2 * number - 1), "DISCARD")
            await house.letter(2 * number)
        refused = await house.submit("anna", [BERLIN, ALL], subject="Mail 3")

        assert 550 == refused.code
        assert refused.text.startswith("5.7.1 Not sent: too many of your mails had to be asked about today, and it is")
        assert 250 == (await house.submit("ben", [BERLIN, ALL])).code
        assert 5 == len(house.own_mail())


async def test_90_08_a_notice_that_did_not_go_out_does_not_count(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"notices_per_account_and_day": 1}) as house:
        house.out.on("DATA", reply=b"451 4.3.0 Not now\r\n")
        assert 451 == (await house.submit("anna", [BERLIN, ALL])).code
        house.out.behave()

        assert 250 == (await house.submit("anna", [BERLIN, ALL])).code
        assert 550 == (await house.submit("anna", [BERLIN, ALL], subject="Another")).code


async def test_90_08_sessions_at_once_get_no_more_than_their_share(tmp_path: Path) -> None:
    async with guarded(tmp_path, limits={"holds_per_account": 3}) as house:
        replies = await asyncio.gather(
            *(house.submit("anna", [BERLIN, ALL], subject=f"Mail {number}") for number in range(10))
        )

        assert [250] * 3 + [452] * 7 == sorted(each.code for each in replies)
        assert ["held"] * 3 == house.states()
        assert 3 == len(house.own_mail())
