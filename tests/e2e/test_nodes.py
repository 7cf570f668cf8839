"""Two guards on one PostgreSQL before the real mail server, behind balancers: what one holds, the other decides.

Their settings and secrets are those of deploy/systemd/several-nodes.conf.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.balancer import balancer
from tests.e2e.browser import browser, button, press, the, words
from tests.e2e.closed import closed
from tests.e2e.guard import Guard
from tests.e2e.scene import Scene, once
from tests.e2e.stack import Letter, Stack
from tests.e2e.test_doctor import doctor, of
from tests.e2e.web_server import WebServer, web_server
from tests.e2e.writing import new_subject
from tests.ports import HOST, free_port, free_ports
from tests.postgresql import SharedCluster, fresh_database, postgresql_cluster
from tests.several_nodes import node_settings, put_credentials

__all__ = ["postgresql_cluster"]

pytestmark = pytest.mark.e2e

BOTH = ("berlin", "brandenburg")
SECRET = bytes(range(32))
CREDENTIALS = "credentials"


@dataclass(frozen=True)
class Nodes:
    """`guards` are the two, `members` is the balancer's port for mail programs, `nginx` stands before both pages."""

    guards: tuple[Guard, Guard]
    members: int
    nginx: WebServer

    def who(self, event: str) -> list[int]:
        """How many lines of this event each of them has written."""
        return [guard.log().count(f" event={event} ") for guard in self.guards]


@pytest.fixture(scope="module")
def nodes(stack: Stack, postgresql_cluster: SharedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with ExitStack() as ends:
        database = ends.enter_context(fresh_database(postgresql_cluster))
        members, front, *pages = free_ports(4)
        nginx = ends.enter_context(web_server(stack, front, [f"{HOST}:{each}" for each in pages]))
        guards = []
        for page in pages:
            folder = tmp_path_factory.mktemp("node")
            put_credentials(folder / CREDENTIALS, database.url, SECRET)
            (folder / "key.pem").write_text(stack.key.read_text())
            (folder / "key.pem").chmod(0o600)
            changes = {
                **node_settings(),
                "public_url": nginx.url,
                "web": {"listen": f"{HOST}:{page}"},
                "tls": {"certificate": str(stack.certificate), "key_file": str(folder / "key.pem")},
            }
            surroundings = {"CREDENTIALS_DIRECTORY": str(folder / CREDENTIALS)}
            guard = Guard(stack, folder, changes=changes, answers=free_port(), environment=surroundings)
            guards.append(ends.enter_context(guard))
        one, two = guards
        ends.enter_context(balancer(members, one.submission[1], two.submission[1]))
        ends.enter_context(balancer(stack.guard_answers_port, one.answers[1], two.answers[1]))
        yield Nodes((one, two), members, nginx)


def at(stack: Stack, guard: Guard) -> Scene:
    return Scene(stack, guard)


def code_of(notice: Letter) -> str:
    return str(notice.message["Reply-To"]).partition("+")[2].partition("@")[0]


def test_what_one_node_holds_the_other_releases_by_an_answer_through_the_balancer(stack: Stack, nodes: Nodes) -> None:
    one, two = (at(stack, guard) for guard in nodes.guards)
    place = (HOST, nodes.members)
    before = nodes.who("released")
    for number in range(2):
        subject = new_subject()
        notice = (one, two)[number].hold(subject, *BOTH)

        # Whichever of them the balancer chooses: the next answer comes to the other one.
        said = one.answer(notice, "ONLY 2", place=place)

        assert said.code == 250
        one.told("Sent", subject)
        assert one.counts(subject) == once(stack, "brandenburg")
    assert [after - was for after, was in zip(nodes.who("released"), before, strict=True)] == [1, 1]


def test_T_28_the_mail_servers_log_has_a_code_only_of_an_answer_that_came_through_it(
    stack: Stack, nodes: Nodes
) -> None:
    through, past = new_subject(), new_subject()
    one, two = (at(stack, guard) for guard in nodes.guards)
    codes = []
    for subject, place in ((through, two.guard.submission), (past, stack.submission)):
        notice = one.hold(subject, *BOTH)
        codes.append(code_of(notice))
        assert one.answer(notice, "DISCARD", place=place).code == 250
        one.told("Thrown away", subject)
    stack.settle()

    stack.wait_for_log(codes[1])  # docs/limits.md: where answers travel through the mail server, its log holds the code
    assert codes[0] not in stack.mail_log()
    assert not any(code in guard.log() for code in codes for guard in nodes.guards)
    assert one.got(through) == one.got(past) == {}


def test_what_one_node_holds_is_shown_by_either_and_released_on_the_page(stack: Stack, nodes: Nodes) -> None:
    one, two = (at(stack, guard) for guard in nodes.guards)
    before = nodes.who("released")
    with browser(trusted=nodes.nginx.fingerprint) as driver:
        for scene in (one, two):
            subject = new_subject()
            notice = scene.hold(subject, *BOTH)
            [link] = re.findall(r"https://\S+/h#\S+", notice.text)
            driver.get("about:blank")
            driver.get(link)
            for _ in range(2):  # nginx asks both in turn
                press(driver, button(driver, "Show my mail"))
                assert f'"{subject}" is waiting' in words(driver)
                driver.get("about:blank")
                driver.get(link)
            press(driver, button(driver, "Show my mail"))
            the(driver, "#word").send_keys("only 1")
            press(driver, button(driver, "Do it"))
            assert "has been sent to berlin@" in words(driver)
            scene.told("Sent", subject)
            assert scene.counts(subject) == once(stack, "berlin")
    assert sum(nodes.who("released")) == sum(before) + 2


def test_a_node_that_was_killed_leaves_nothing_undecidable(stack: Stack, nodes: Nodes) -> None:
    one, two = (at(stack, guard) for guard in nodes.guards)
    subject = new_subject()
    notice = one.hold(subject, *BOTH)

    one.guard.kill()
    try:
        assert two.answer(notice, "ONLY 1").code == 250
        two.told("Sent", subject)
    finally:
        one.guard.start()
    assert one.answer(notice, "SEND").code == 250
    assert two.counts(subject) == once(stack, "berlin")


def test_the_doctor_finds_everything_well_on_each_node(
    stack: Stack, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / "anna"
    password.write_text(stack.members["anna"].password)
    at(stack, nodes.guards[0]).hold(new_subject(), *BOTH)
    monkeypatch.setenv("SSL_CERT_FILE", str(stack.ca_file))  # of the page's certificate
    assert os.environ["SSL_CERT_FILE"]
    with closed(stack) as outside:
        for guard in nodes.guards:
            monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(guard.folder / CREDENTIALS))
            login = ("--login", stack.members["anna"].login, "--password-file", str(password))
            code, checks = doctor(guard, outside, *login)

            assert [] == [each for each in checks if each[1] in ("warning", "problem")]
            assert code == 0
            page = of(checks, "page", "ok")
            assert f"{nodes.nginx.url}/h: answers" in page
            assert "its certificate is right" in page
            assert "arrive as the guard sends them" in page
            assert "hands Origin on" in page
            assert of(checks, "database", "ok")
