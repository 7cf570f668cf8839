"""What a mail program shows when the guard itself decides: in the language of the account, with the rule's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.guarded import ALL, BERLIN, MEMBERS, guarded

pytestmark = pytest.mark.slow

LANGUAGES = {
    f"{name}@example.test": {"mailbox": MEMBERS[name], "language": language}
    for name, language in {"anna": "de", "ben": "fr-CA"}.items()
}
REFUSE = {"defaults": {"on_alarm": "refuse"}}


def page(show: str) -> dict[str, object]:
    return {"public_url": "https://check.example.test", "web": {"show": show, "listen": "127.0.0.1:0"}}


async def test_a_refusal_is_in_the_language_of_the_account_else_in_the_site_s_first(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts=LANGUAGES, languages=["es", "en"], **REFUSE) as house:
        said = [(await house.submit(name, [BERLIN, ALL])).text for name in ("anna", "ben", "clara")]

        french = "il est adresse a 2 listes (berlin, all-members), merci d'en choisir une (regle 12)"
        assert said == [
            "5.7.1 Mail nicht gesendet: sie geht an 2 Listen (berlin, all-members), bitte eine auswaehlen (Regel 12)",
            f"5.7.1 Message non envoye : {french}",
            "5.7.1 Correo no enviado: va dirigido a 2 listas (berlin, all-members); por favor, elija una (regla 12)",
        ]
        assert house.out.messages == house.up.messages == []


@pytest.mark.parametrize("show", ["full", "view", "off"])
async def test_a_refusal_ends_with_the_rule_s_place_on_the_page(tmp_path: Path, show: str) -> None:
    async with guarded(tmp_path, **page(show), **REFUSE) as house:
        assert (await house.submit("anna", [BERLIN, ALL])).text == (
            "5.7.1 Not sent: it is addressed to 2 lists (berlin, all-members), please choose one (rule 12); or see "
            "https://check.example.test/rules#12"
        )


async def test_a_hold_and_the_reply_to_an_answer_are_in_the_language_of_the_account(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts=LANGUAGES) as house:
        held = await house.submit("anna", [BERLIN, ALL])
        notice = await house.letter()
        foreign = await house.answer("ben", notice, "SEND")
        answered = await house.answer("anna", notice, "VERWERFEN")

        assert held.text == "2.0.0 NOCH NICHT GESENDET: bitte die Nachricht in Ihrem Postfach beantworten"
        assert (foreign.code, foreign.text) == (550, "5.1.1 Aucun message n'attend sous ce code")
        assert (answered.code, answered.text) == (250, "2.0.0 Danke, Ihre Antwort ist angekommen; dazu kommt eine Mail")


async def test_90_10_a_notice_that_is_refused_for_good_says_why_it_was_needed(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts=LANGUAGES) as house:
        house.out.on("RCPT", reply=b"550 5.1.1 no such user\r\n")

        assert (await house.submit("anna", [BERLIN, ALL])).text == (
            "5.7.1 Mail nicht gesendet: sie geht an 2 Listen (berlin, all-members), bitte eine auswaehlen (Regel 12); "
            "sie muesste auf Sie warten, aber Ihr Postfach nimmt die Nachricht darueber nicht an"
        )
        assert [] == house.rows()


async def test_own_trouble_is_told_in_the_language_of_the_account(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts=LANGUAGES) as house:
        house.out.on("DATA", reply=b"451 4.3.0 not now\r\n")

        assert (await house.submit("ben", [BERLIN, ALL])).text == (
            "4.3.0 Message non envoye : le controle courriel a lui-meme un probleme, merci de reessayer plus tard"
        )


async def test_a_site_s_own_words_are_said_at_once_in_ascii(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "de.yaml").write_text(
        'refusals: {plain: "Zurück: {{ reasons }}", 12-02: "{{ count }} Listen, {{ lists }}: größer als nötig"}\n',
        "utf-8",
    )
    async with guarded(tmp_path, accounts=LANGUAGES, **REFUSE) as house:
        assert (await house.submit("anna", [BERLIN, ALL])).text == (
            "5.7.1 Zurueck: 2 Listen, berlin, all-members: groesser als noetig"
        )


async def test_90_16_who_writes_to_the_guard_and_to_others_is_told_in_his_language(tmp_path: Path) -> None:
    async with guarded(tmp_path, accounts=LANGUAGES, languages=["es", "en"]) as house:
        to = [BERLIN, "mailcheck+CODE@check.example.test"]
        said = [await house.submit(name, to) for name in ("anna", "ben", "clara")]

        assert {550} == {each.code for each in said}
        assert [
            "5.7.1 Mail nicht gesendet: eine Mail an den Mail-Check muss an ihn allein gehen",
            "5.7.1 Message non envoye : un message au controle courriel doit aller a lui seul",
            "5.7.1 Correo no enviado: un correo al control de correo debe ir solo a el",
        ] == [each.text for each in said]
        assert [] == house.up.arrived
