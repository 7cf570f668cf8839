"""The page in a real browser: what members, scanners and hostile mail can do there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from smtpguard.config.texts import shipped
from smtpguard.web.connection import PageConnection
from tests.e2e.browser import PAGE_SECONDS, button, in_browser, press, the, troubles, words
from tests.loopback.guarded import BERLIN, House
from tests.web.site import PageSite, code_of, hold, paged

pytestmark = pytest.mark.e2e

FORWARD = (
    "See below.\n\n---------- Forwarded message ---------\nFrom: Clara <clara@example.test>\n"
    "Date: Sat, 21 Nov 2026 at 10:12\nSubject: talk\nTo: Ben <ben@example.test>\n\n"
    "Between us, I think the new plan is too expensive. Please keep this to yourself for now.\n"
)


def address(site: PageSite, path: str = "/h") -> str:
    return f"http://127.0.0.1:{site.port}{path}"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Everything that browsers send, in order."""
    octets: list[bytes] = []
    ordinary = PageConnection.data_received

    def written_down(connection: PageConnection, data: bytes) -> None:
        octets.append(data)
        ordinary(connection, data)

    monkeypatch.setattr(PageConnection, "data_received", written_down)
    return octets


def heads(received: list[bytes]) -> Iterator[bytes]:
    """Request lines and header fields, without the forms below them."""
    for each in re.split(rb"(?=(?:GET|POST) /)", b"".join(received)):
        yield each.partition(b"\r\n\r\n")[0]


async def test_T_22_with_scripts_the_code_leaves_the_address_bar_and_is_in_no_request_but_a_form(
    tmp_path: Path, received: list[bytes]
) -> None:
    def visit(driver: Chrome, site: PageSite, code: str) -> None:
        driver.get(f"{address(site)}#{code}")
        assert code == the(driver, "#code").get_attribute("value")
        assert address(site) == driver.current_url
        press(driver, button(driver, "Show my mail"))
        assert '"Minutes" is waiting' in words(driver)
        assert address(site, "/show") == driver.current_url
        assert code not in driver.title
        the(driver, "#word").send_keys("only 1")
        press(driver, button(driver, "Do it"))
        assert f"has been sent to {BERLIN}" in words(driver)
        press(driver, driver.find_element(By.LINK_TEXT, "All rules we check"))
        assert "Every list" in words(driver)

    async with paged(tmp_path, for_browsers=True) as (house, site):
        code = await hold(house)
        await in_browser(visit, site, code)
        assert ["sent"] == house.states()

    sent = list(heads(received))
    assert any(each.startswith(b"POST /choose") for each in sent)
    assert code.encode() in b"".join(received)
    assert not any(code.encode() in each for each in sent)


async def test_without_scripts_a_code_is_pasted_and_everything_works(tmp_path: Path) -> None:
    def visit(driver: Chrome, site: PageSite, lines: list[str]) -> None:
        driver.get(f"{address(site)}#{''.join(lines)}")
        assert "" == the(driver, "#code").get_attribute("value")
        the(driver, "#code").send_keys(Keys.ENTER.join(f"> code: {each}" for each in lines))
        press(driver, button(driver, "Show my mail"))
        # The browser itself asks for the tick.
        button(driver, "DISCARD").click()
        assert address(site, "/show") == driver.current_url
        the(driver, "[name=sure]").click()
        press(driver, button(driver, "DISCARD"))
        assert "has been thrown away and was not sent" in words(driver)

    async with paged(tmp_path, for_browsers=True) as (house, site):
        code = await hold(house)
        await in_browser(visit, site, [code[:28], code[28:]], scripts=False)
        assert ["discarded"] == house.states()


async def test_the_link_of_another_notice_in_the_same_tab_changes_the_code(tmp_path: Path) -> None:
    def visit(driver: Chrome, site: PageSite) -> None:
        for code in ("A" * 52, "B" * 52):
            driver.get(f"{address(site)}#{code}")
            assert code == the(driver, "#code").get_attribute("value")
            assert address(site) == driver.current_url

    async with paged(tmp_path, for_browsers=True) as (_, site):
        await in_browser(visit, site)


async def test_a_double_click_and_the_back_button_do_nothing_twice(tmp_path: Path) -> None:
    def visit(driver: Chrome, site: PageSite, code: str) -> None:
        driver.get(f"{address(site)}#{code}")
        press(driver, button(driver, "Show my mail"))
        the(driver, "#word").send_keys("SEND")
        ActionChains(driver).double_click(button(driver, "Do it")).perform()
        ended = re.compile("^(Sent|Already done|Not yet) - ")
        WebDriverWait(driver, PAGE_SECONDS).until(lambda _: ended.match(driver.title))
        driver.refresh()
        assert "it was sent" in words(driver)
        driver.back()
        driver.forward()
        driver.refresh()
        assert "it was sent" in words(driver)

    async with paged(tmp_path, for_browsers=True) as (house, site):
        code = await hold(house)
        await in_browser(visit, site, code)
        await house.letter(2)
        assert ["sent"] == house.states()
        assert 1 == len(house.released())
        assert 2 == len(house.own_mail())


# How a program that looks at pages may press a button or send a form: as a person does, past the browser's own checks,
# by script without any button, and with every field emptied.
_UNCHECKED = "arguments[0].form.noValidate = true; arguments[0].click()"
_WAYS = (
    "arguments[0].click()",
    _UNCHECKED,
    "HTMLFormElement.prototype.submit.call(arguments[0].form)",
    f"for (const each of arguments[0].form.elements) if (each.type !== 'hidden') each.value = ''; {_UNCHECKED}",
)
_PRESSED = "button, input[type=submit], [role=button]"


def pressed(driver: Chrome, number: int, way: str) -> None:
    """Do as `way` says with a button, and see the page that comes, if one comes."""
    found = driver.find_elements(By.CSS_SELECTOR, _PRESSED)[number]
    comes = way != _WAYS[0] or driver.execute_script("return arguments[0].form.checkValidity()", found)
    if comes:
        press(driver, found, way)
    else:
        driver.execute_script(way, found)


def crawl(driver: Chrome, link: str) -> int:
    """Open a notice's link, and from each page on press every button of the next in every way; how often."""

    def walk(*buttons: int) -> int:
        """Buttons of the page behind these, each pressed past the browser's checks."""
        if driver.current_url == link.partition("#")[0]:
            driver.get("about:blank")  # else the browser would stay where it is and read the fragment alone
        driver.get(link)
        for each in buttons:
            pressed(driver, each, _UNCHECKED)
        return len(driver.find_elements(By.CSS_SELECTOR, _PRESSED))

    presses = 0
    for path in ((), (0,), (0, 1)):
        for number in range(walk(*path)):
            for way in _WAYS:
                walk(*path)
                pressed(driver, number, way)
                presses += 1
    return presses


@pytest.mark.slow
async def test_T_21_a_crawler_that_runs_scripts_and_presses_everything_decides_nothing(tmp_path: Path) -> None:
    async with paged(tmp_path, for_browsers=True) as (house, site):
        code = await hold(house)
        private = await house.submit("anna", [BERLIN], subject="Fwd: talk", body=FORWARD)
        assert "NOT SENT YET" in private.text
        other = code_of(await house.letter(2))
        presses = await asyncio.gather(*(in_browser(crawl, f"{address(site)}#{each}") for each in (code, other)))

        assert min(presses) >= 4 * (1 + 3 + 3)
        assert ["held", "held"] == house.states()
        assert 2 == len(house.out.messages)


def every_page(driver: Chrome, site: PageSite, codes: list[str]) -> Iterator[str]:
    """Visit one page of each kind, and name it; the last of `codes` is decided at the end."""
    for path in ("/", "/rules", "/h", "/nothing"):
        driver.get(address(site, path))
        yield path
    for each in codes:
        driver.get("about:blank")
        driver.get(f"{address(site)}#{each}")
        press(driver, the(driver, "button"))
        yield "view"
        driver.execute_script(
            "arguments[0].form.noValidate = true; arguments[0].click()", the(driver, "[value=DISCARD]")
        )
        yield "view, with what is missing"
    the(driver, "[name=sure]").click()
    press(driver, the(driver, "[value=DISCARD]"))
    yield "done"
    driver.get(f"{address(site)}#{codes[-1]}")
    press(driver, the(driver, "button"))
    yield "gone"
    driver.get(f"{address(site)}#{'A' * 52}")
    press(driver, the(driver, "button"))
    yield "unknown"


def checked(driver: Chrome, site: PageSite, codes: list[str]) -> dict[str, list[str]]:
    return {
        f"{number} {name}": found
        for number, name in enumerate(every_page(driver, site, codes))
        if (found := troubles(driver))
    }


async def held_both(house: House) -> list[str]:
    codes = [await hold(house, 1, subject="Minutes of the meeting", body="Here they are.\n" + "x" * 300)]
    await house.submit("anna", [BERLIN], subject="Fwd: talk", body=FORWARD)
    return [*codes, code_of(await house.letter(2))]


@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (1100, False), (1100, True)])
async def test_every_page_can_be_read_by_everybody(tmp_path: Path, width: int, dark: bool) -> None:
    async with paged(tmp_path, for_browsers=True) as (house, site):
        codes = await held_both(house)

        assert {} == await in_browser(checked, site, codes, width=width, dark=dark)


@pytest.mark.parametrize("width", [360, 1100])
async def test_the_rules_can_be_read_by_everybody_in_every_language(tmp_path: Path, width: int) -> None:
    languages = [*shipped().codes]

    def visit(driver: Chrome, site: PageSite) -> dict[str, list[str]]:
        found = {}
        for each in languages:
            driver.get(f"{address(site, '/rules')}?lang={each}#12")
            assert each == driver.execute_script("return document.documentElement.lang")
            assert "12" in the(driver, ":target").text
            found[each] = troubles(driver)
        press(driver, the(driver, "nav [hreflang=de]"))
        assert "de" == driver.execute_script("return document.documentElement.lang")
        return found

    rules = {"12": "Send a mail to the one list it belongs to."}
    async with paged(tmp_path, for_browsers=True, languages=languages, rules=rules) as (_, site):
        assert {key: [] for key in languages} == await in_browser(visit, site, width=width)


async def test_what_can_be_pressed_is_large_enough_and_the_keyboard_shows_where_it_is(tmp_path: Path) -> None:
    def visit(driver: Chrome, site: PageSite, code: str) -> None:
        driver.get(f"{address(site)}#{code}")
        press(driver, the(driver, "button"))
        for each in driver.find_elements(By.CSS_SELECTOR, "button, #word"):
            assert each.size["height"] >= 44
        reached = []
        for _ in range(8):
            ActionChains(driver).send_keys(Keys.TAB).perform()
            focused = driver.switch_to.active_element
            if focused.tag_name == "body":
                continue  # behind the last one, the browser's own buttons
            assert "none" != focused.value_of_css_property("outline-style"), focused.get_attribute("outerHTML")
            reached.append(focused.get_attribute("name") or focused.tag_name)
        assert {"word", "sure", "press"} <= set(reached)

    async with paged(tmp_path, for_browsers=True) as (house, site):
        await in_browser(visit, site, await hold(house), width=360)


XSS = (
    "<script>document.title='ran'</script>",
    '"><img src=x onerror="document.title=\'ran\'">',
    "'><svg/onload=document.title='ran'>",
    "</title></textarea></div></pre><script>document.title='ran'</script>",
    "javascript:document.title='ran'",
    "{{ ''.__class__ }}{% raw %}<iframe srcdoc=\"<script>top.document.title='ran'</script>\">",
)


async def test_nothing_of_a_mail_runs_or_loads(tmp_path: Path, received: list[bytes]) -> None:
    def visit(driver: Chrome, site: PageSite, codes: list[str]) -> None:
        for each in codes:
            driver.get(f"{address(site)}#{each}")
            press(driver, the(driver, "button"))
            assert "A mail is waiting - Example Union" == driver.title
            assert [] == driver.find_elements(By.CSS_SELECTOR, "img, svg, iframe, object, main script, main a")
            driver.get("about:blank")

    async with paged(tmp_path, for_browsers=True) as (house, site):
        codes = []
        for number, each in enumerate(XSS, 1):
            html = f"<html><body><p>{each}</p>{each}</body></html>"
            file = f'Content-Type: image/png; name="{each[:60]}"\n\nx'
            body = f"--b\n\n{each}\n--b\nContent-Type: text/html\n\n{html}\n--b\n{file}\n--b--"
            kind: dict[str, Any] = {"MIME_Version": "1.0", "Content_Type": "multipart/mixed; boundary=b"}
            codes.append(await hold(house, number, subject=each, body=body, **kind))
        await in_browser(visit, site, codes)

    assert {b"GET /h", b"GET /h.js", b"GET /page.css", b"POST /show"} >= {
        match[0]
        for match in re.finditer(rb"(?:GET|POST) /[^ ?]*", b"".join(heads(received)))
        if b"favicon" not in match[0]
    }


@pytest.mark.parametrize("code", shipped().codes)
@pytest.mark.parametrize("width", [360, 1100])
async def test_the_page_speaks_the_language_of_the_account_and_else_the_browsers(
    tmp_path: Path, code: str, width: int
) -> None:
    language = shipped().of(code)

    def visit(driver: Chrome, site: PageSite, token: str) -> None:
        driver.get(f"{address(site)}#{token}")
        assert language.text("page.enter_title") in words(driver)
        assert language.tag == the(driver, "html").get_attribute("lang")
        press(driver, the(driver, "button"))
        assert language.text("page.view_choices") in words(driver)
        assert [] == troubles(driver)
        the(driver, "#word").send_keys(next(iter(language.words.values()))[0])
        press(driver, the(driver, ".row button"))
        assert language.text("page.sent_title") in words(driver)

    accounts = {"anna@example.test": {"mailbox": "anna@example.test", "language": code}}
    async with paged(tmp_path, for_browsers=True, accounts=accounts) as (house, site):
        await in_browser(visit, site, await hold(house), language=code, width=width)
        assert ["sent"] == house.states()
