"""The page on which senders answer, over real sockets: what each step shows and does."""

from __future__ import annotations

import asyncio
import errno
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smtpguard.answers.token import parse_token
from smtpguard.deciding import Deciding
from smtpguard.held import HeldRow, State
from smtpguard.notices import compose
from smtpguard.seal import hold_id
from smtpguard.store import StoreError
from smtpguard.web.seen import seen
from tests.logs import caught
from tests.loopback.guarded import ALL, BERLIN, body
from tests.web.site import ORIGIN, hold, other_code, paged

pytestmark = pytest.mark.slow

UNKNOWN = "No mail is waiting under this code"


async def test_T_20_a_mail_is_shown_and_sent_by_its_word_and_its_sender_is_told(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house, subject="Minutes of Tuesday", body="Here they are.\n\nAnna")
        view = await site.show(code)

        assert 200 == view.status
        assert '"Minutes of Tuesday" is waiting' in view.words
        assert "It is addressed to two lists, and most mails belong on one (rule 12)." in view.words
        assert "Here they are. Anna" in view.words
        assert [] == [
            each for each in (BERLIN, ALL, "ONLY 1", "ONLY 2", "SEND", "DISCARD", "BACK") if each not in view.words
        ]
        assert ["held"] == house.states()

        done = await site.type(view, "SEND")
        assert 200 == done.status, done.words
        assert f"has been sent to {BERLIN} and {ALL}" in done.words
        assert ["sent"] == house.states()
        assert [(f"TO:<{BERLIN}>".encode(), f"TO:<{ALL}>".encode())] == [each.rcpts for each in house.released()]
        assert str((await house.letter(2))["Subject"]).startswith("Sent:")


@pytest.mark.parametrize("typed", ["ONLY 2", "only 2", " Only 2. ", "ONLY all-members", "nur 2", "SOLO 2"])
async def test_only_one_list_gets_it_where_that_is_typed(tmp_path: Path, typed: str) -> None:
    async with paged(tmp_path) as (house, site):
        done = await site.type(await site.show(await hold(house)), typed)

        assert f"has been sent to {ALL}. Not sent to {BERLIN}." in done.words
        assert [(f"TO:<{ALL}>".encode(),)] == [each.rcpts for each in house.released()]


@pytest.mark.parametrize(
    ("button", "title", "letter"),
    [("DISCARD", "Thrown away", "Thrown away:"), ("BACK", "Sent back to you", "Your mail")],
)
async def test_a_button_with_its_box_ticked_ends_a_mail_unsent(
    tmp_path: Path, button: str, title: str, letter: str
) -> None:
    async with paged(tmp_path) as (house, site):
        done = await site.press(await site.show(await hold(house)), button)

        assert 200 == done.status
        assert done.title.startswith(title)
        assert ["discarded"] == house.states()
        assert [] == house.released()
        assert str((await house.letter(2))["Subject"]).startswith(letter)


async def test_what_is_typed_may_also_be_a_word_that_has_a_button(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        done = await site.type(await site.show(await hold(house)), "discard")

        assert done.title.startswith("Thrown away")
        assert ["discarded"] == house.states()


@pytest.mark.parametrize("word", ["", "yes", "ONLY", "ONLY 3", "SEND please", "SENT", "x" * 5000, "\0", "\ud83d"])
async def test_another_word_does_nothing_and_shows_the_mail_again(tmp_path: Path, word: str) -> None:
    async with paged(tmp_path) as (house, site):
        view = await site.show(await hold(house))
        again = await site.type(view, word.encode("utf-8", "replace").decode())

        assert 422 == again.status
        assert "Nothing was done" in again.words
        assert ["held"] == house.states()
        assert "Sent" in (await site.type(again, "SEND")).title


@pytest.mark.parametrize(
    "form",
    [{}, {"press": "DISCARD"}, {"press": "BACK"}, {"press": "SEND", "sure": "yes"}, {"sure": "yes"}, {"press": ""}],
)
async def test_T_21_a_button_without_its_tick_does_nothing(tmp_path: Path, form: dict[str, str]) -> None:
    async with paged(tmp_path) as (house, site):
        again = await site.choose(await site.show(await hold(house)), **form)

        assert 422 == again.status
        assert "Nothing was done" in again.words
        assert ["held"] == house.states()
        assert 1 == len(house.out.messages)


async def test_T_21_acting_needs_a_value_of_the_view_that_was_shown(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code, other = await hold(house, 1), await hold(house, 2, subject="Other")
        view, foreign = await site.show(code), await site.show(other)
        assert view.hidden("seen")
        for seen in ("", "x", view.hidden("seen")[:-4], foreign.hidden("seen"), "A" * 56, "\u00e4"):
            again = await site.post("/choose", {"code": code, "seen": seen, "word": "SEND"})
            assert 422 == again.status
            assert "open too long" in again.words

        assert ["held", "held"] == house.states()
        assert [] == house.released()


@pytest.mark.parametrize("choice", ["SEND", "DISCARD", "BACK", "ONLY 1"])
async def test_a_hundred_presses_at_once_have_one_effect(tmp_path: Path, choice: str) -> None:
    async with paged(tmp_path) as (house, site):
        view = await site.show(await hold(house))
        answers = await asyncio.gather(*(site.type(view, choice) for _ in range(100)))
        titles = {each.title.partition(" - ")[0] for each in answers}

        own = {"SEND": "Sent", "ONLY 1": "Sent", "DISCARD": "Thrown away", "BACK": "Sent back to you"}[choice]
        assert 1 == sum(each.title.startswith(f"{own} - ") for each in answers)
        assert titles <= {own, "Already done", "Not yet", "Please try again"}
        assert ["sent" if own == "Sent" else "discarded"] == house.states()
        assert (1 if own == "Sent" else 0) == len(house.released())
        await house.letter(2)
        assert 2 == len(house.own_mail())


async def test_the_back_button_and_a_second_tab_are_told_what_was_done(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        first, second = await site.show(code), await site.show(code)
        await site.press(first, "DISCARD")
        answers = [await site.type(second, "SEND"), await site.type(first, "SEND"), await site.show(code)]

        for each in answers:
            assert "Already done" in each.words
            assert "it was thrown away" in each.words
            assert "Here they are" not in each.text
        assert [] == house.released()


async def test_an_expired_mail_is_told_to_whoever_has_its_code(tmp_path: Path) -> None:
    async with paged(tmp_path, defaults={"expires": "1s"}) as (house, site):
        code = await hold(house)
        await house.letter(2)
        gone = await site.show(code)

        assert 200 == gone.status
        assert "there was no answer in time" in gone.words


async def test_all_wrong_codes_get_one_and_the_same_answer(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        wrong = [
            "", " ", "x", code[:-1], code + "A", code[:51] + "B", other_code(), other_code(7), "A" * 52, "1" * 52,
            code[1:] + code[0], "\u0131" * 52, "<script>alert(1)</script>", "a" * 4000, f"{code[:20]}!{code[21:]}",
        ]  # fmt: skip
        answers = [await site.show(each) for each in wrong]
        answers += [await site.post("/show", {}), await site.post("/choose", {}), await site.post("/show", {"c": code})]

        assert {404} == {each.status for each in answers}
        assert 1 == len({each.octets for each in answers})
        assert UNKNOWN in answers[0].words
        assert ["held"] == house.states()


@pytest.mark.parametrize(
    "form", ["{0}", "{1}", "{2}", "> code: {3}\r\n> code: {4}", "code: {3}\n  code: {4}", "https://x.example/h#{0}"]
)
async def test_a_code_is_found_however_it_was_pasted(tmp_path: Path, form: str) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        groups = [code[start : start + 4] for start in range(0, 52, 4)]
        lines = "-".join(groups[:7]), "-".join(groups[7:])
        pasted = form.format(code, code.lower(), " ".join(groups), *lines)

        assert 200 == (await site.show(pasted)).status


async def test_T_25_wrong_codes_are_limited_by_address_and_a_right_one_is_always_served(tmp_path: Path) -> None:
    async with paged(tmp_path, web={"forwarded_from": ["127.0.0.1/32"]}) as (house, site):
        code = await hold(house)

        async def tries(number: int, address: str, wrong: str | None = None) -> list[int]:
            return [
                (await site.show(wrong or other_code(each), X_Forwarded_For=address)).status for each in range(number)
            ]

        assert [404] * 60 + [429] * 3 == await tries(63, "192.0.2.7")
        assert [429] == await tries(1, "spoofed, 198.51.100.1, 192.0.2.7")
        assert [404] == await tries(1, "192.0.2.8")
        assert 200 == (await site.show(code, X_Forwarded_For="192.0.2.7")).status
        assert [404] * 60 + [429] == [
            (await site.show("x", X_Forwarded_For=f"2001:db8:1:2::{each:x}")).status for each in range(61)
        ]


async def test_T_25_forwarded_addresses_count_only_where_a_proxy_is_believed(tmp_path: Path) -> None:
    async with paged(tmp_path, web={"forwarded_from": ["192.0.2.0/24"]}) as (_, site):
        told = [(await site.show("x", X_Forwarded_For=f"198.51.100.{each}")).status for each in range(61)]

        assert [404] * 60 + [429] == told


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": ORIGIN + ".evil.example"},
        {"Origin": ORIGIN.upper()},
        {"Origin": ORIGIN.replace("https", "http")},
        {"Origin": ORIGIN + ":8443"},
        {"Origin": [ORIGIN, ORIGIN]},
        {"Origin": "null", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "https://whoever.example"},
        {"Origin": None},
        {"Origin": None, "Sec_Fetch_Site": "cross-site"},
        {"Origin": None, "Sec_Fetch_Site": "same-site"},
        {"Origin": None, "Sec_Fetch_Site": "none"},
        {"Origin": None, "Referer": ORIGIN + "/h"},
        {"Origin": ""},
    ],
)
async def test_T_23_a_form_that_is_not_of_our_page_has_no_effect(tmp_path: Path, fields: dict[str, str]) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        view = await site.show(code)
        form = {"code": code, "seen": view.hidden("seen"), "word": "SEND"}
        answers = [await site.post("/choose", form, **fields), await site.post("/show", {"code": code}, **fields)]

        assert [403, 403] == [each.status for each in answers]
        assert all("Here they are" not in each.text for each in answers)
        assert ["held"] == house.states()


async def test_T_23_a_browser_without_origin_may_say_where_the_form_comes_from(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)

        assert 200 == (await site.show(code, Origin=None, Sec_Fetch_Site="same-origin")).status


@pytest.mark.parametrize("kind", [None, "text/plain", "application/json", "multipart/form-data; boundary=x", ""])
async def test_another_content_type_has_no_effect(tmp_path: Path, kind: str | None) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        view = await site.show(code)
        form = {"code": code, "seen": view.hidden("seen"), "word": "SEND"}

        assert 415 == (await site.post("/choose", form, Content_Type=kind)).status
        assert 415 == (await site.post("/show", form, Content_Type=kind)).status
        assert ["held"] == house.states()


async def test_the_mail_servers_refusal_is_shown_in_its_own_words_and_the_mail_waits_on(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        house.out.on("RCPT", reply=b"550 5.7.1 <b>members</b> only & more\r\n", match=b"berlin")
        refused = await site.type(await site.show(code), "SEND")

        assert refused.title.startswith("Not sent")
        assert "<b>members</b> only & more" in refused.words
        assert "<b>members</b>" not in refused.text
        assert "It is still waiting until" in refused.words
        assert ["held"] == house.states()
        again = await site.show(refused.hidden("code"))
        assert "Thrown away" in (await site.press(again, "DISCARD")).title


async def test_a_refusal_for_now_asks_to_come_again(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        house.out.on("RCPT", reply=b"450 4.7.1 later\r\n", match=b"berlin")
        later = await site.type(await site.show(code), "SEND")

        assert 503 == later.status
        assert later.title.startswith("Not yet")
        assert ["held"] == house.states()


async def test_a_line_lost_behind_the_dot_is_said_and_warned_of_at_the_next_look(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        house.out.on("END", then="close")
        view = await site.show(code)
        unsure = await site.type(view, "SEND")

        assert unsure.title.startswith("We cannot tell whether it was sent")
        assert ["sending"] == house.states()
        # The former view did not warn of that: it is not good any more.
        stale = await site.type(view, "SEND")
        assert stale.title.startswith("Not yet")
        warned = await site.show(stale.hidden("code"))
        assert "may have gone out already" in warned.words
        assert 0 == len(house.released())
        house.out.behave()
        assert "it may have gone out twice" in (await site.type(warned, "SEND")).words
        assert ["sent"] == house.states()


async def test_a_store_that_fails_is_said_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        view = await site.show(code)

        async def broken(*_: object) -> None:
            raise StoreError("planted words")

        with monkeypatch.context() as patch:
            patch.setattr(house.application._keeper.deciding._store, "find", broken)
            answers = [await site.show(code), await site.type(view, "SEND")]

        assert [503, 503] == [each.status for each in answers]
        assert all("Please try again" in each.words and "planted" not in each.text for each in answers)
        assert 200 == (await site.show(code)).status


async def test_a_mail_without_its_day_key_is_told_to_be_lost(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        for each in (tmp_path / "state").rglob("day-*.key"):
            each.unlink()
        lost = await site.show(code)

        assert lost.title.startswith("It cannot be opened any more")
        assert 410 == lost.status


async def test_a_fault_is_a_page_of_ours_without_a_word_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("Planted words of a mail")

    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        monkeypatch.setattr(Deciding, "find", broken)
        with caught("debug") as stream:
            answer = await site.show(code)

        assert 500 == answer.status
        assert "Please try again" in answer.words
        assert "no-store" == answer.fields["cache-control"]
        assert "Planted" not in answer.text
        assert "a page failed" in stream.getvalue()
        assert "Planted" not in stream.getvalue()


async def test_where_only_a_members_session_releases_the_page_offers_the_other_choices(tmp_path: Path) -> None:
    async with paged(tmp_path, outbox_changes={"release": "session"}) as (house, site):
        code = await hold(house)
        view = await site.show(code)

        assert 'name="word"' not in view.text
        assert "answer the notice with the mail program" in view.words
        refused = await site.type(view, "SEND")
        assert 422 == refused.status
        assert 1 == len(house.own_mail())
        assert "Thrown away" in (await site.press(view, "DISCARD")).title


async def test_T_20_where_the_page_only_shows_nothing_can_be_done(tmp_path: Path) -> None:
    async with paged(tmp_path, show="view") as (house, site):
        code = await hold(house)
        view = await site.show(code)

        assert "Here they are." in view.words
        assert "please answer the notice by mail" in view.words
        assert "/choose" not in view.text
        # Also with all that a choice needs.
        token = parse_token(code)
        assert token is not None
        row = HeldRow(id=hold_id(token.octets), state=State.HELD)
        form = {"code": code, "seen": seen(token, row, datetime.now(UTC)), "word": "SEND"}
        assert 404 == (await site.post("/choose", form)).status
        assert ["held"] == house.states()


async def test_T_20_where_the_page_is_off_there_are_only_rules(tmp_path: Path) -> None:
    async with paged(tmp_path, show="off") as (house, site):
        code = await hold(house)
        notice = body(await house.letter(1))
        assert f"{ORIGIN}/rules\n" in notice
        assert f"{ORIGIN}/h" not in notice
        assert [404, 404, 404] == [
            (await site.get("/h")).status,
            (await site.show(code)).status,
            (await site.post("/choose", {"code": code, "word": "SEND"})).status,
        ]
        assert 200 == (await site.get("/rules")).status
        assert 'href="/h"' not in (await site.get("/nothing")).text


async def test_a_release_that_takes_long_goes_on_when_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.web.answers.EFFECT_SECONDS", 0.3)
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        house.out.on("END", then="stall")
        working = await site.type(await site.show(code), "SEND")

        assert 202 == working.status
        assert working.title.startswith("We are at it")
        house.out.go_on()
        assert str((await house.letter(2))["Subject"]).startswith("Sent:")
        assert ["sent"] == house.states()


async def test_a_disk_that_gives_up_is_not_called_a_release_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paged(tmp_path) as (house, site):
        view = await site.show(await hold(house))

        async def times_out(*_: Any) -> None:
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")  # as a network disk says it

        monkeypatch.setattr(Deciding, "find", times_out)
        answer = await site.type(view, "SEND")

        assert 503 == answer.status
        assert answer.title.startswith("Please try again")
        assert ["held"] == house.states()


async def test_a_mail_on_its_way_back_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, composed = threading.Event(), threading.Event(), compose.compose_back
    in_time: list[bool] = []

    def slow(*arguments: Any, **more: Any) -> bytes:
        begun.set()
        in_time.append(go_on.wait(10))
        return composed(*arguments, **more)

    async with paged(tmp_path) as (house, site):
        view = await site.show(await hold(house))
        monkeypatch.setattr("smtpguard.deciding.compose.compose_back", slow)
        pressed = asyncio.create_task(site.press(view, "BACK"))
        assert await asyncio.to_thread(begun.wait, 20)
        assert b"ok\n" == (await site.get("/healthz")).octets
        go_on.set()

        assert (await pressed).title.startswith("Sent back to you")
        assert [True] == in_time


async def test_whoever_comes_second_is_told_what_the_first_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with paged(tmp_path) as (house, site):
        view = await site.show(await hold(house))
        store = house.application._keeper.deciding._store
        claim = store.claim

        async def overtaken(*arguments: Any) -> Any:
            monkeypatch.setattr(store, "claim", claim)
            assert "Thrown away" in (await site.press(view, "DISCARD")).title
            return await claim(*arguments)

        monkeypatch.setattr(store, "claim", overtaken)
        second = await site.type(view, "SEND")

        assert second.title.startswith("Already done")
        assert "it was thrown away" in second.words
        assert [] == house.released()
