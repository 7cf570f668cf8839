"""The rules page as the guard serves it: in whose language, with what around it, and made how often."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.config.texts import shipped
from smtpguard.notices.languages import Language
from smtpguard.rules_page.facts import facts_of
from smtpguard.rules_page.pages import rules_files, style
from smtpguard.web import rules
from smtpguard.web.rules import LANGUAGES_KEPT_MAX, RulesPages
from tests.tools.site import write_site
from tests.web.site import paged

LANGUAGES = [shipped().of(code) for code in shipped().codes]
TITLE = "rules_page.title"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
async def test_the_rules_are_told_as_the_browser_or_the_address_wishes(tmp_path: Path, language: Language) -> None:
    async with paged(tmp_path, languages=["fr", "en"]) as (_, site):
        for path, wish in (
            ("/rules", language.code),
            (f"/rules?lang={language.code}", "xx"),
            (f"/?lang={language.code}", "es"),
        ):
            page = await site.get(path, Accept_Language=wish)
            assert 200 == page.status
            assert page.title.startswith(language.text(TITLE))
            assert f'<html lang="{language.tag}"' in page.text
            assert (language.tag, "Accept-Language") == (page.fields["content-language"], page.fields["vary"])
            plain = await site.get(
                path.replace("/?", "/rules.txt?").replace("/rules?", "/rules.txt?"), Accept_Language=wish
            )
            if "?" in path:
                assert language.text(TITLE).upper() in plain.text
                assert (language.tag, "Accept-Language") == (plain.fields["content-language"], plain.fields["vary"])
            assert f'href="/rules.txt?lang={language.tag}"' in page.text


@pytest.mark.parametrize("wish", ["", "xx", "de" * 20, "-" * 2000, "%00", "<b>", "de%0d%0aX-Y:%20z", "d%C3%A9"])
async def test_an_odd_language_in_the_address_is_ignored_and_never_repeated(tmp_path: Path, wish: str) -> None:
    async with paged(tmp_path) as (_, site):
        page = await site.get(f"/rules?lang={wish}", Accept_Language="es")

        assert 200 == page.status
        assert "es" == page.fields["content-language"]
        assert not wish or len(wish) < 3 or wish not in page.text


async def test_the_other_languages_of_the_site_are_linked_in_their_own_names(tmp_path: Path) -> None:
    async with paged(tmp_path, languages=["en", "de", "fr"]) as (_, site):
        page = await site.get("/rules", Accept_Language="de")
        spanish = await site.get("/rules", Accept_Language="es")
    async with paged(tmp_path, languages=["en"]) as (_, site):
        alone = await site.get("/rules")

    assert '<a href="/rules?lang=en" lang="en" hreflang="en">English</a>' in page.text
    assert '<a href="/rules?lang=fr" lang="fr" hreflang="fr">Français</a>' in page.text
    assert '?lang=de" lang' not in page.text
    assert 3 == spanish.text.count("hreflang")
    assert "hreflang" not in alone.text


async def test_T_52_the_page_has_the_frame_of_the_others_without_the_person_to_call(tmp_path: Path) -> None:
    async with paged(tmp_path, organisation="Example Union", call="Sam, office, 030 123") as (_, site):
        page, other = await site.get("/rules"), await site.get("/h")

        assert "Sam" in other.words
        assert "Sam" not in page.text
        assert "Example Union, mail check" in page.words
        assert 'href="/page.css"' in page.text
        assert 'href="/h"' in page.text
        assert "<style" not in page.text
        for number in ("11", "12"):
            assert f'id="{number}"' in page.text
        assert "default-src 'none'" in page.fields["content-security-policy"]


async def test_facts_are_gathered_once_and_a_few_languages_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(write_site(tmp_path / "config"))
    assert loaded.settings is not None
    assert loaded.policy is not None
    standing, moment, made = (loaded.settings, loaded.policy), [NOW], {"facts": 0, "pages": 0}
    gather, tell = rules.facts_of, rules.rules_page

    def counted_facts(*given: object) -> object:
        made["facts"] += 1
        return gather(*given)  # type: ignore[arg-type]

    def counted_pages(*given: object) -> object:
        made["pages"] += 1
        return tell(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rules, "facts_of", counted_facts)
    monkeypatch.setattr(rules, "rules_page", counted_pages)
    pages = RulesPages(lambda: standing, lambda: moment[0])
    await asyncio.gather(*(pages.page(each) for each in LANGUAGES * 20))
    assert {"facts": 1, "pages": len(LANGUAGES)} == made

    # A reload gives each language anew; what is kept does not grow with it.
    for number in range(3):
        for each in LANGUAGES:
            await pages.page(Language(each._wording, each.translated))
        assert (number + 2) * len(LANGUAGES) == made["pages"]
    assert pages._made is not None
    assert LANGUAGES_KEPT_MAX == len(pages._made.pages)

    moment[0] += timedelta(hours=12)
    assert "23 November 2026" in (await pages.page(LANGUAGES[0])).text
    assert 2 == made["facts"]
    assert 1 == len(pages._made.pages)


async def test_the_table_looks_the_same_on_the_page_and_in_the_file(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        served = (await site.get("/page.css")).text
        settings, policy = house.application._settings, house.application._statutes.policy
    written = rules_files(facts_of(settings, policy, NOW), shipped().of("en"))["index.html"]
    written = written[written.index("<style>") : written.index("</style>")]

    assert "td[data-label]::before" in written
    assert style() in served
    assert style() in written
    # Nothing of it is said once more beside it.
    for said in re.findall(r"^[^@{}\n]*(?:table|caption|th|td|tr|scroll)\b[^{}\n]*\{", style(), re.M):
        assert said not in served.replace(style(), "")
        assert said not in written.replace(style(), "")
