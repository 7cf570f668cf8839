"""What every answer of the page has, what it takes and for how long, and that mail does not notice it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
from pathlib import Path

import pytest

from smtpguard.config.settings import Settings
from smtpguard.config.texts import shipped
from smtpguard.notices.site import Site
from smtpguard.policy import Policy
from smtpguard.web.answers import FORMS_MAX, Show
from smtpguard.web.door import WebDoor
from smtpguard.web.form import FORM_OCTETS_MAX
from smtpguard.web.headers import CONTENT_POLICY
from smtpguard.web.pages import Pages
from smtpguard.web.rules import RulesPages
from tests.logs import caught
from tests.loopback.guarded import PRESS
from tests.web.site import FORM, ORIGIN, Answer, PageSite, hold, other_code, paged, parsed

pytestmark = pytest.mark.slow

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]

# THREAT-MODEL T-24, word for word.
T_24 = (
    "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADER = {
    "content-security-policy": T_24,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000",
}


def check_header(answer: Answer) -> None:
    assert HEADER.items() <= answer.fields.items()
    assert "noindex" in answer.fields["x-robots-tag"]
    assert not {"set-cookie", "server", "x-powered-by", "location", "refresh"} & set(answer.fields)


async def every_answer(site: PageSite, code: str) -> list[Answer]:
    """One of each kind: pages, files, errors of ours, of the framework and of the web server."""
    view = await site.show(code)
    answers = [view, await site.type(view, "NO"), await site.press(view, "DISCARD"), await site.show(code)]
    answers += [await site.get(each) for each in ("/", "/rules", "/rules.txt", "/h", "/h.js", "/page.css", "/healthz")]
    answers += [await site.get(each) for each in ("/nothing", "/h/", "//", "/show", "/choose", "/%00", "/h?x=1")]
    answers += [await site.request(method, "/h") for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X")]
    answers += [await site.show("x"), await site.show(code, Origin="null"), await site.show(code, Content_Type="a/b")]
    answers.append(await site.post("/show", {"code": "x" * FORM_OCTETS_MAX}))
    answers.append(await site.post("/show", {f"f{each}": "x" for each in range(50)}))
    answers += [
        parsed(await site.raw(each))
        for each in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"x" * 20000)
    ]
    return answers


async def test_T_24_every_answer_has_its_header_whatever_was_asked(tmp_path: Path) -> None:
    assert T_24 == CONTENT_POLICY
    async with paged(tmp_path) as (house, site):
        answers = await every_answer(site, await hold(house))

    assert {200, 400, 403, 404, 405, 413, 415, 422} == {each.status for each in answers}
    for each in answers:
        check_header(each)


async def test_without_tls_there_is_no_promise_of_it(tmp_path: Path) -> None:
    async with paged(tmp_path, for_browsers=True) as (_, site):
        assert "strict-transport-security" not in (await site.get("/h")).fields


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
async def test_T_21_no_method_but_post_changes_anything(tmp_path: Path, method: str) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        view = await site.show(code)
        query = f"code={code}&seen={view.hidden('seen')}&word=DISCARD&press=DISCARD&sure=yes"
        for path in ("/", "/h", "/show", "/choose", "/rules", f"/h/{code}", f"/{code}"):
            answer = await site.request(method, f"{path}?{query}", fields={"Origin": ORIGIN, "Content-Type": FORM})
            assert answer.status in ((200, 404, 405) if method in ("GET", "HEAD") else (404, 405))
            assert code not in answer.text

        assert ["held"] == house.states()
        assert 1 == len(house.out.messages)


async def test_a_head_is_a_get_without_its_body(tmp_path: Path) -> None:
    async with paged(tmp_path) as (_, site):
        for path in ("/h", "/rules", "/page.css", "/nothing"):
            got, head = await site.get(path), await site.request("HEAD", path)
            assert (got.status, got.fields["content-length"]) == (head.status, head.fields["content-length"])
            assert b"" == head.octets


async def test_T_22_the_code_is_nowhere_but_in_bodies_of_forms(tmp_path: Path) -> None:
    with caught("debug") as stream:
        async with paged(tmp_path) as (house, site):
            code = await hold(house)
            view = await site.show(code)
            done = await site.type(view, "SEND")
            answers = [view, done, await site.show(code), await site.get(f"/h/{code}"), await site.get(f"/h?{code}")]
            await site.show(other_code(3))
    log = stream.getvalue()

    assert code in view.text
    for each in answers:
        assert code not in each.title
        assert code not in " ".join(each.fields.values())
        assert not re.search(rf"(?:href|src|action)=\"[^\"]*{code}", each.text)
    assert code not in answers[-1].text + answers[-2].text + answers[-3].text
    assert code not in log
    assert code.lower() not in log.lower()
    assert "127.0.0.1:" not in re.sub(r"(submission|answers|web)=127.0.0.1:", "", log)
    assert "Minutes" not in log


async def test_nothing_on_a_page_comes_from_elsewhere_and_nothing_is_inline(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house, body="See https://evil.example/x.png <img src=https://evil.example/y.png>")
        pages = [await site.show(code), await site.get("/h"), await site.get("/rules"), await site.get("/nothing")]

    for each in pages:
        links = re.findall(r"(?:href|src|action)=\"([^\"]*)\"", each.text)
        assert links
        assert all(re.match(r"/(?!/)", link) for link in links)
        assert not re.search(r"<style|\son\w+=|\sstyle=|<img|<iframe|javascript:", each.text)


@pytest.mark.parametrize("host", ["evil.example", "", "mailcheck.example.test:99999", "<script>"])
async def test_host_is_not_believed(tmp_path: Path, host: str) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        octets = f"code={code}".encode()
        head = (
            f"POST /show HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nX-Forwarded-Host: {host}\r\n"
            f"Content-Type: {FORM}\r\nContent-Length: {len(octets)}\r\nConnection: close\r\n\r\n"
        )
        answer = parsed(await site.raw(head.encode() + octets))

        assert 403 == answer.status
        assert host not in answer.text or not host


async def test_a_form_is_small_and_its_size_is_counted_not_believed(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        chunked = {"Origin": ORIGIN, "Content-Type": FORM, "Transfer-Encoding": "chunked"}

        assert 413 == (await site.request("POST", "/show", chunk * 4 + b"0\r\n\r\n", chunked)).status
        fields = {"Origin": ORIGIN, "Content-Type": FORM, "Content-Length": "99999999999999999999"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        assert 413 == parsed(await site.raw(f"POST /show HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())).status
        assert 400 == (await site.post("/show", {f"f{each}": "x" for each in range(9)})).status
        assert 200 == (await site.show(code)).status


async def test_a_request_of_two_lengths_is_the_last_of_its_connection(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        form = f"code={await hold(house)}".encode()
        head = f"POST /show HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\n".encode()
        lengths = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(form)
        answer = await site.raw(
            head + lengths + b"%x\r\n%s\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n" % (len(form), form)
        )

        assert 1 == answer.count(b"HTTP/1.1 ")
        assert 400 == parsed(answer).status
        check_header(parsed(answer))


async def all_of(site: PageSite, octets: bytes) -> bytes:
    """What comes back until the other side ends the connection, however it does."""
    try:
        return await site.raw(octets)
    except ConnectionError:
        return b""


async def test_who_connects_and_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.web.connection.HEADER_SECONDS", 0.2)
    async with paged(tmp_path) as (_, site):
        for octets in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            assert b"" == await all_of(site, octets)


async def test_a_slow_form_is_answered_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.web.form.FORM_SECONDS", 0.2)
    head = (
        f"POST /show HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\nContent-Length: 60\r\n\r\ncode="
    )
    async with paged(tmp_path) as (_, site):
        answer = parsed(await site.raw(head.encode()))

    assert 408 == answer.status
    check_header(answer)


async def test_a_connection_has_an_end_whatever_is_done_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.web.connection.LIFE_SECONDS", 0.5)
    request = b"GET /page.css HTTP/1.1\r\nHost: x\r\n\r\n"
    async with paged(tmp_path) as (_, site):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)

        async def ask_on() -> None:
            while True:
                writer.write(request)
                await writer.drain()
                await reader.readuntil(b"HTTP/1.1 200")

        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(ask_on(), 30)
        writer.close()


async def served(site: PageSite, host: str = "127.0.0.1") -> Connected:
    """A connection from `host` that has been let in, as an answer shows, and waits for its next request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=(host, 0))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"ok\n")
    return reader, writer


async def test_connections_are_bounded_and_who_is_waited_for_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpguard.web.shares.CONNECTIONS_MAX", 6)
    async with paged(tmp_path) as (_, site):
        # Two each from three addresses, then three from a fourth: nobody has more, so the oldest go.
        there = [await served(site, f"127.0.0.{host}") for host in (2, 3, 4, 2, 3, 4, 5, 5, 5)]
        for reader, _ in there[:3]:
            with contextlib.suppress(ConnectionError):
                assert b"" == await asyncio.wait_for(reader.read(), 30)
        for reader, writer in there[3:]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"ok\n"), 30)
        for _, writer in there:
            writer.close()


SLOW = (
    f"POST /show HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\nContent-Length: 60\r\n"
    "{fields}\r\ncode="
)


async def slow_form(site: PageSite, host: str, fields: str = "") -> Connected:
    """A form from `host` that never ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=(host, 0))
    writer.write(SLOW.format(fields=fields).encode())
    return reader, writer


async def test_T_25_the_slow_forms_of_one_client_leave_the_page_to_others(tmp_path: Path) -> None:
    async with paged(tmp_path, web={"forwarded_from": []}) as (house, site):
        code = await hold(house)
        slow = await asyncio.gather(*(slow_form(site, "127.0.0.3") for _ in range(400)))
        last = await served(site, "127.0.0.3")  # by now all of them have been met
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.2", 0))
        form = f"code={code}"
        writer.write(
            f"POST /show HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\n"
            f"Content-Length: {len(form)}\r\n\r\n{form}".encode()
        )
        answer = parsed(await asyncio.wait_for(reader.read(), 30))
        for _, each in (*slow, last, (reader, writer)):
            each.close()

        assert 200 == answer.status
        assert "Minutes" in answer.text


async def test_T_25_the_slow_forms_of_one_client_behind_a_proxy_leave_the_page_to_others(tmp_path: Path) -> None:
    async with paged(tmp_path, web={"forwarded_from": ["127.0.0.4/32"]}) as (house, site):
        code = await hold(house)
        slow = [await slow_form(site, "127.0.0.4", "X-Forwarded-For: 192.0.2.7\r\n") for _ in range(40)]
        answers = [asyncio.create_task(reader.read()) for reader, _ in slow]
        refused = [parsed(await each) for each in itertools.islice(asyncio.as_completed(answers, timeout=30), 8)]
        mine = f"code={code}".encode()
        head = SLOW.replace("Content-Length: 60", f"Content-Length: {len(mine)}").removesuffix("code=")
        statuses = []
        for client in ("192.0.2.8", "192.0.2.7"):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.4", 0))
            writer.write(head.format(fields=f"Connection: close\r\nX-Forwarded-For: {client}\r\n").encode() + mine)
            statuses.append(parsed(await asyncio.wait_for(reader.read(), 30)).status)
            writer.close()
        for each in answers:
            each.cancel()
        for _, writer in slow:
            writer.close()

        assert {503} == {each.status for each in refused}
        for answer in refused:
            check_header(answer)
        assert [200, 503] == statuses


async def test_a_proxy_that_tells_no_client_has_room_for_all_of_them(tmp_path: Path) -> None:
    async with paged(tmp_path, web={"forwarded_from": ["127.0.0.4/32"]}) as (_, site):
        slow = [await slow_form(site, "127.0.0.4") for _ in range(60)]
        last = await served(site, "127.0.0.4")

        assert not [each for each, _ in slow if each.at_eof()]
        for _, writer in (*slow, last):
            writer.close()


async def test_forms_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FORMS_MAX >= 20
    monkeypatch.setattr("smtpguard.web.answers.FORMS_MAX", 0)
    async with paged(tmp_path) as (house, site):
        answer = await site.show(await hold(house))

        assert 503 == answer.status
        check_header(answer)


async def test_T_25_slow_forms_shut_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpguard.web.answers.FORMS_MAX", 5)
    head = (
        f"POST /show HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\nContent-Length: 60\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    async with paged(tmp_path) as (house, site):
        code = await hold(house)
        slow = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(10)]
        for reader, writer in slow:
            writer.write(head.encode())
            # So the form is waited for.
            await reader.readuntil(b"100 Continue")
        answer = await site.show(code)
        for _, writer in slow:
            writer.close()

        assert 200 == answer.status


async def test_a_thousand_requests_at_once_leave_mail_alone(tmp_path: Path) -> None:
    async with paged(tmp_path) as (house, site):
        code = await hold(house)

        async def visit(number: int) -> int:
            try:
                if number % 10 == 0:
                    return (await site.show(code)).status
                return (await site.get(("/h", "/rules", "/page.css")[number % 3])).status
            except (ConnectionError, IndexError):
                return 0  # more at once than are let in

        visits = asyncio.gather(*(visit(number) for number in range(1000)))
        replies = [await house.submit("ben", [PRESS], subject=f"Plain {number}") for number in range(5)]
        statuses = await visits

        assert [250] * 5 == [each.code for each in replies]
        assert {200} <= set(statuses) <= {200, 503, 0}
        assert ["held"] == house.states()
        assert 200 == (await site.show(code)).status


async def test_the_page_may_lie_behind_a_socket_of_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(str(path))  # as a process that was killed leaves it
    async with paged(tmp_path, web={"listen": f"unix:{path}"}) as (house, _):
        assert 0o660 == path.stat().st_mode & 0o777
        await hold(house)
        counted = []
        for each in range(62):
            reader, writer = await asyncio.open_unix_connection(path)
            form = b"code=x"
            head = (
                f"POST /show HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {ORIGIN}\r\nContent-Type: {FORM}\r\n"
            )
            client = "192.0.2.1" if each < 61 else "192.0.2.2"
            head += f"X-Forwarded-For: {client}\r\nContent-Length: {len(form)}\r\n\r\n"
            writer.write(head.encode() + form)
            counted.append(parsed(await reader.read()).status)
            writer.close()
        assert [404] * 60 + [429, 404] == counted
    assert not path.exists()


async def refused_page(listen: Path) -> None:
    """A door at `listen` does not open."""
    door = WebDoor(Pages(None, RulesPages(lambda: (Settings(), Policy())), site, Show.OFF, ORIGIN), listen, ORIGIN)
    with pytest.raises(FileExistsError):
        await door.start()


async def test_a_socket_that_is_used_or_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    path.write_text("mine")
    await refused_page(path)
    assert "mine" == path.read_text()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        await refused_page(path)
    assert path.exists()


def site() -> Site:
    return Site("Example Union", None, texts=shipped())


async def test_the_guards_signals_stay_its_own(tmp_path: Path) -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with paged(tmp_path) as (_, site):
        await site.get("/healthz")
        assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


async def test_health_and_rules_are_there_for_everybody(tmp_path: Path) -> None:
    async with paged(tmp_path) as (_, site):
        assert b"ok\n" == (await site.get("/healthz")).octets
        page, same, plain = await site.get("/rules"), await site.get("/"), await site.get("/rules.txt")

    assert page.octets == same.octets
    assert "Every list, who may post" in page.words
    assert "brandenburg" in plain.text
    assert "text/plain; charset=utf-8" == plain.fields["content-type"]
