"""In which language the page speaks: the account's for its mail, else the browser's, else the site's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smtpguard.config.texts import shipped
from smtpguard.notices.languages import Language
from tests.web.site import hold, paged

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parent.parent.parent / "smtpguard" / "web"
LANGUAGES = [shipped().of(code) for code in shipped().codes]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
async def test_a_visitor_is_spoken_to_as_the_browser_wishes(tmp_path: Path, language: Language) -> None:
    async with paged(tmp_path) as (_, site):
        page = await site.get("/h", Accept_Language=f"xx, {language.code}-XX;q=0.9, en;q=0.1")

        assert language.text("page.enter_title") in page.words
        assert f'<html lang="{language.tag}"' in page.text
        assert language.tag == page.fields["content-language"]


@pytest.mark.parametrize("wish", ["", "xx", "*", "en;q=0", "," * 500, "x" * 5000, ";q=;;=", "e" * 9 + "n"])
async def test_odd_wishes_get_the_sites_own_language(tmp_path: Path, wish: str) -> None:
    first = LANGUAGES[-1]
    async with paged(tmp_path, languages=[first.code]) as (_, site):
        assert first.text("page.enter_title") in (await site.get("/h", Accept_Language=wish)).words


async def test_a_mail_is_shown_in_the_language_of_its_account(tmp_path: Path) -> None:
    language = LANGUAGES[-1]
    accounts = {"anna@example.test": {"mailbox": "anna@example.test", "language": language.code}}
    async with paged(tmp_path, accounts=accounts) as (house, site):
        view = await site.show(await hold(house), Accept_Language="en")

        assert language.text("page.view_choices") in view.words
        wrong = await site.type(view, "xyz")
        assert language.text("page.view_not_understood") in wrong.words
        done = await site.press(wrong, "DISCARD")
        assert done.title.startswith(language.text("page.discarded_title"))


def test_every_text_of_the_page_is_used_and_every_one_used_is_there() -> None:
    sources = "".join(each.read_text("utf-8") for each in (*PACKAGE.glob("*.py"), *PACKAGE.glob("templates/*.html")))
    said = set(re.findall(r't\("page\.(\w+)"|_text\("page\.(\w+)"', sources))
    said = {"".join(each) for each in said}
    titled = set(re.findall(r'(?:told|_told|_page)\(\s*"(\w+)"', sources)) | {"enter", "view"}
    alerts = set(re.findall(r'(?:return|else|,|=) "((?:not|too|session)_\w+)"', sources))
    there = {each.partition(".")[2] for each in LANGUAGES[0].translated if each.startswith("page.")}

    assert {*said} <= there
    used = said | {f"{each}_title" for each in titled} | {f"{each}_body" for each in titled}
    used |= {f"view_{each}" for each in alerts}
    assert set() == there - used
