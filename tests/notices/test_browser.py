"""The HTML part in a real browser: on a phone and on a desk, light and dark, in every language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from smtpguard.config.texts import shipped
from tests.notices.browser import as_screen, chromium, complaints
from tests.notices.cases import CASES
from tests.notices.pages import page_source
from tests.notices.samples import SITE, crosspost, notice, speaking

pytestmark = pytest.mark.slow

PHONE, DESK = (360, 640), (1000, 900)
SHOWN = ("12-02_with_persons", "12-02_another_list_fits", "11-08_and_12-02", "sent_in_part_and_perhaps_twice", "help")
RULES = {"12": "One mail, one list."}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as found:
        yield found


def show(browser: Chrome, folder: Path, octets: bytes) -> None:
    path = folder / "mail.html"
    path.write_text(page_source(octets), "utf-8")
    browser.get(path.as_uri())


@pytest.mark.parametrize("language", shipped().codes)
@pytest.mark.parametrize("name", SHOWN)
def test_every_mail_can_be_read_by_everybody_on_every_screen(
    browser: Chrome, tmp_path: Path, name: str, language: str
) -> None:
    with speaking(language):
        octets = CASES[name]()
    for size, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESK, "light")):
        as_screen(browser, *size, scheme)
        show(browser, tmp_path, octets)

        assert [] == complaints(browser), (scheme, size)
        assert size[0] >= browser.execute_script("return document.documentElement.scrollWidth")


@pytest.mark.parametrize("language", shipped().codes)
@pytest.mark.parametrize("name", [each for each in SHOWN if each[:2] in ("11", "12")])
def test_the_choices_begin_on_the_first_screen_of_a_phone(
    browser: Chrome, tmp_path: Path, name: str, language: str
) -> None:
    with speaking(language):
        octets = CASES[name]()
    as_screen(browser, *PHONE, "light")
    show(browser, tmp_path, octets)

    below = browser.execute_script("return document.querySelector('li a').getBoundingClientRect().bottom")
    assert PHONE[1] >= below


@pytest.mark.parametrize("language", shipped().codes)
def test_the_notice_with_page_and_rules_too(browser: Chrome, tmp_path: Path, language: str) -> None:
    page = "https://mailcheck.example.org"
    site = replace(SITE, page=page, rules_page=f"{page}/rules", rules=RULES)
    with speaking(language):
        octets = notice(crosspost(), site=site)
    for scheme in ("light", "dark"):
        as_screen(browser, *PHONE, scheme)
        show(browser, tmp_path, octets)

        assert [] == complaints(browser)
        assert language == browser.execute_script("return document.documentElement.lang")
