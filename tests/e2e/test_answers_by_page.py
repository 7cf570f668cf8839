"""Answers by web page on the real site: the link of a notice, nginx in front, a real browser, the post by Mailman."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.e2e.browser import browser, button, press, the, troubles, words
from tests.e2e.guard import Guard
from tests.e2e.scene import Scene, once
from tests.e2e.stack import Letter, Stack
from tests.e2e.web_server import WebServer, web_server
from tests.e2e.web_server import caddy as web_server_by_caddy
from tests.e2e.writing import letter, new_subject
from tests.ports import HOST, free_port, free_ports

pytestmark = pytest.mark.e2e

BOTH = ("berlin", "brandenburg")
WRONG_CODES = 3
CODE = re.compile(r"mailcheck\+([A-Z2-7]{52})@")


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Of nginx, and of the page behind it."""
    front, page = free_ports(2)
    return front, page


@pytest.fixture(scope="module")
def nginx(stack: Stack, ports: tuple[int, int]) -> Iterator[WebServer]:
    with web_server(stack, ports[0], [f"{HOST}:{ports[1]}"]) as running:
        yield running


@pytest.fixture(scope="module")
def guard(
    stack: Stack, nginx: WebServer, ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guard]:
    """An English site with a page, where Ben wants German."""
    changes = {
        "public_url": nginx.url,
        "web": {"listen": f"{HOST}:{ports[1]}"},
        "languages": ["en", "de"],
        "accounts": {"ben": {"mailbox": "ben@example.test", "language": "de"}},
        "limits": {"wrong_codes_per_minute": WRONG_CODES},
    }
    with Guard(stack, tmp_path_factory.mktemp("guard"), changes=changes) as running:
        yield running


@pytest.fixture(scope="module")
def driver(nginx: WebServer) -> Iterator[Chrome]:
    with browser(trusted=nginx.fingerprint) as running:
        yield running


@pytest.fixture(scope="module")
def plain(nginx: WebServer) -> Iterator[Chrome]:
    """A browser without scripts."""
    with browser(trusted=nginx.fingerprint, scripts=False) as running:
        yield running


@pytest.fixture
def anna(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


@pytest.fixture
def ben(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard, "ben")


def code_of(notice: Letter) -> str:
    found = CODE.match(str(notice.message["Reply-To"]).strip("<>"))
    assert found is not None
    return found[1]


def german_notice(scene: Scene, subject: str) -> Letter:
    assert scene.send(scene.write(subject, *BOTH), *BOTH).code == 250
    [notice] = scene.stack.wait_for(scene.member, subject=f"NOCH NICHT GESENDET: „{subject}“")
    return notice


def link_in(notice: Letter) -> str:
    """The link of the plain text, as a mail program finds it."""
    [found] = re.findall(r"https://\S+/h#\S+", notice.text)
    return str(found)


def open_from_mail(driver: Chrome, notice: Letter, folder: Path) -> None:
    """Read the HTML part as a mail program shows it, and press its link."""
    part = notice.message.get_body(("html",))
    assert isinstance(part, EmailMessage)
    file = folder / "notice.html"
    file.write_text(part.get_content(), "utf-8")
    driver.get(file.as_uri())
    assert [] == troubles(driver)
    [link] = [each for each in driver.find_elements(By.TAG_NAME, "a") if (each.text or "").endswith("/h")]
    press(driver, link)


def test_T_22_the_link_of_a_notice_leads_to_the_page_and_the_code_into_no_log(
    stack: Stack, anna: Scene, driver: Chrome, nginx: WebServer, tmp_path: Path
) -> None:
    subject = new_subject()
    notice = anna.hold(subject, *BOTH)
    code = code_of(notice)

    open_from_mail(driver, notice, tmp_path)
    assert driver.current_url == f"{nginx.url}/h"  # the fragment has left the address bar
    assert the(driver, "#code").get_attribute("value") == code
    press(driver, button(driver, "Show my mail"))
    assert driver.current_url == f"{nginx.url}/show"
    assert f'"{subject}" is waiting' in words(driver)
    assert anna.got(subject) == {}
    the(driver, "#word").send_keys("ONLY 1")
    press(driver, button(driver, "Do it"))
    assert "has been sent to berlin@lists.example.test" in words(driver)

    assert "has been sent to berlin@" in anna.told("Sent", subject).text
    assert anna.counts(subject) == once(stack, "berlin")
    log = nginx.requests()
    assert [each for each in log if '"POST /choose HTTP/1.1" 200' in each and f'"{nginx.url}/show"' in each]
    written = nginx.written()
    assert b"/h.js" in written
    for secret in (code, subject, f"{code[:4]}-{code[4:8]}", quote(code)):
        assert secret.encode() not in written
    assert code not in stack.mail_log()
    assert code not in anna.guard.log()


def test_a_german_member_sends_it_with_a_german_word(stack: Stack, ben: Scene, driver: Chrome) -> None:
    subject = new_subject()
    driver.get("about:blank")
    driver.get(link_in(german_notice(ben, subject)))

    press(driver, the(driver, "button"))
    assert f"„{subject}“ wartet" in words(driver)
    assert the(driver, "html").get_attribute("lang") == "de"
    the(driver, "#word").send_keys("nur 1")
    press(driver, button(driver, "Ausführen"))

    assert "wurde an berlin@lists.example.test gesendet" in words(driver)
    [result] = stack.wait_for("ben", subject=f"Gesendet: „{subject}“")
    assert "Nicht gesendet an brandenburg@lists.example.test." in " ".join(result.text.split())
    assert ben.counts(subject) == once(stack, "berlin")


def test_without_scripts_a_german_member_ticks_and_throws_it_away(stack: Stack, ben: Scene, plain: Chrome) -> None:
    subject = new_subject()
    notice = german_notice(ben, subject)
    plain.get(link_in(notice))

    assert the(plain, "#code").get_attribute("value") == ""
    the(plain, "#code").send_keys("\n".join(re.findall(r"(?m)^code: .*$", notice.text)))
    press(plain, the(plain, "button"))
    the(plain, "[name=sure]").click()
    press(plain, button(plain, "VERWERFEN"))

    assert "ist weggeworfen und wurde nicht gesendet" in words(plain)
    stack.wait_for("ben", subject=f"Weggeworfen: „{subject}“")
    assert ben.got(subject) == {}


def test_back_on_the_page_returns_the_original_by_mail(stack: Stack, anna: Scene, plain: Chrome) -> None:
    subject = new_subject()
    sent = letter(anna.member, anna.addresses(*BOTH), subject, b".\r\n..two dots\r\n  blanks  \r\n\r\n")
    assert anna.send(sent, *BOTH).code == 250
    notice = anna.notice(subject)

    plain.get(link_in(notice))
    the(plain, "#code").send_keys(code_of(notice))
    press(plain, the(plain, "button"))
    the(plain, "[name=sure]").click()
    press(plain, button(plain, "BACK"))

    assert "Sent back to you" in words(plain)
    [returned] = stack.wait_for("anna", subject=f'Your mail "{subject}", back to you')
    part = returned.content.split(b"\r\n--" + returned.message.get_boundary("").encode())[2]
    assert part.partition(b"\r\n\r\n")[2] == sent
    assert anna.got(subject) == {}


def test_what_was_answered_by_mail_is_done_on_the_page_and_the_other_way_round(
    stack: Stack, anna: Scene, driver: Chrome
) -> None:
    by_mail, by_page = new_subject(), new_subject()
    notice = anna.hold(by_mail, *BOTH)
    driver.get("about:blank")
    driver.get(link_in(notice))
    press(driver, button(driver, "Show my mail"))
    the(driver, "#word").send_keys("SEND")
    assert anna.answer(notice, "ONLY 2").code == 250
    press(driver, button(driver, "Do it"))  # of a view that was there before
    assert "it was sent" in words(driver)

    notice = anna.hold(by_page, *BOTH)
    driver.get("about:blank")
    driver.get(link_in(notice))
    press(driver, button(driver, "Show my mail"))
    the(driver, "[name=sure]").click()
    press(driver, button(driver, "DISCARD"))
    before = sum("Already done" in each.subject for each in stack.inbox("anna"))
    assert anna.answer(notice, "SEND").code == 250
    stack.wait_for("anna", subject="Already done", count=before + 1)

    assert anna.counts(by_mail) == once(stack, "brandenburg")
    assert anna.got(by_page) == {}


@pytest.fixture(scope="module")
def caddy(stack: Stack, ports: tuple[int, int]) -> Iterator[WebServer]:
    """Another web server in front of the same page. Browsers know it by nginx's address: it hands their Origin on."""
    with web_server_by_caddy(stack, free_port(), [f"{HOST}:{ports[1]}"]) as running:
        yield running


@pytest.mark.parametrize(("name", "network"), [("nginx", 2), ("caddy", 3)])
def test_T_25_wrong_codes_are_counted_for_the_address_that_the_web_server_names(
    stack: Stack, anna: Scene, nginx: WebServer, name: str, network: int, request: pytest.FixtureRequest
) -> None:
    server: WebServer = request.getfixturevalue(name)
    context = ssl.create_default_context(cafile=str(stack.ca_file))
    port = int(server.url.rpartition(":")[2])

    def tried(client: str, code: str) -> int:
        connection = http.client.HTTPSConnection(
            "localhost", port, context=context, source_address=(client, 0), timeout=60
        )
        # What a client says of itself counts for nothing.
        fields = {
            "Origin": nginx.url, "Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": "192.0.2.7",
        }  # fmt: skip
        connection.request("POST", "/show", urlencode({"code": code}), fields)
        answered = connection.getresponse()
        answered.read()
        connection.close()
        return answered.status

    right = code_of(anna.hold(new_subject(), *BOTH))
    statuses = [tried(f"127.0.{network}.2", "A" * 52) for _ in range(WRONG_CODES + 1)]

    assert 429 not in statuses[:-1]
    assert statuses[-1] == 429
    assert tried(f"127.0.{network}.3", "A" * 52) == statuses[0]
    assert tried(f"127.0.{network}.2", right) == 200
    assert right.encode() not in server.written()
