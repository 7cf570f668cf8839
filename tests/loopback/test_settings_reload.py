"""Settings that change while the guard runs, as their admins see it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.loopback.fake_upstream import FakeUpstream
from tests.loopback.guarded import (
    ALL,
    BERLIN,
    BRANDENBURG,
    MEMBERS,
    PASSWORDS,
    PRESS,
    XCLIENT,
    Member,
    Submitted,
    body,
    mail,
    parsed,
    write_config,
)
from tests.loopback.serving import Serving, serving

pytestmark = pytest.mark.slow

BROKEN = "list: berlin@lists.example.test\nmanager: mailman3\nmanager: sympa\n"


@dataclass
class Scene:
    """A served guard, its two mail servers and its settings."""

    config: Path
    up: FakeUpstream
    out: FakeUpstream
    guard: Serving

    @property
    def lists(self) -> Path:
        return self.config.parent / "lists"

    def file(self, name: str) -> Path:
        return self.lists / f"{name}.yaml"

    def change(self, name: str, **changes: Any) -> None:
        """Keys of a list file get new values, in one step."""
        entry = {**yaml.safe_load(self.file(name).read_text()), **changes}
        self.put(self.file(name), yaml.safe_dump({key: value for key, value in entry.items() if value is not None}))

    def change_site(self, **changes: Any) -> None:
        self.put(self.config, yaml.safe_dump({**yaml.safe_load(self.config.read_text()), **changes}, sort_keys=False))

    def put(self, path: Path, text: str) -> None:
        new = path.with_name(f".{path.name}.swp")
        new.write_text(text)
        new.rename(path)

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                assert self.guard.process.returncode is None, self.guard.log.decode()
                await asyncio.sleep(0.02)
        assert is_so(), what

    async def logged(self, words: str, times: int = 1) -> None:
        await self.until(lambda: self.guard.log.count(words.encode()) >= times, words)

    async def reload(self) -> None:
        """SIGHUP, and wait until it was obeyed."""
        before = self.guard.log.count(b"event=reloaded")
        self.guard.process.send_signal(signal.SIGHUP)
        await self.logged("event=reloaded", before + 1)

    async def submit(self, to: list[str], subject: str = "Minutes") -> Submitted:
        member = Member(self.guard.ports[0])
        await member.login("anna")
        try:
            return await member.send(MEMBERS["anna"], to, mail("anna", to, subject=subject, message_id=""))
        finally:
            await member.quit()

    async def passes(self, to: list[str], subject: str) -> bool:
        """True if the mail reaches the mail server, False if its sender is asked."""
        before = len(self.up.messages), len(self.notices())
        assert 250 == (await self.submit(to, subject)).code
        after = len(self.up.messages), len(self.notices())
        assert 1 == sum(after) - sum(before)
        return after[0] > before[0]

    def own_mail(self) -> list[Any]:
        return [parsed(each) for each in self.out.messages if each.mail.startswith(b"FROM:<>")]

    def notices(self) -> list[Any]:
        return [each for each in self.own_mail() if each["Reply-To"]]

    def letters(self) -> list[tuple[str, str, str]]:
        """To, Subject and text of mails about settings files."""
        found = [each for each in self.own_mail() if not each["Reply-To"]]
        return [(str(each["To"]), str(each["Subject"]), body(each)) for each in found]

    async def letter(self, number: int) -> tuple[str, str, str]:
        await self.out.wait_until(lambda: len(self.letters()) >= number)
        return self.letters()[number - 1]

    def status(self) -> dict[str, Any]:
        return dict(json.loads((self.config.parent / "state" / "status.json").read_text()))

    def status_of(self, name: str) -> dict[str, Any] | None:
        return next((each for each in self.status()["files"] if each["file"] == name), None)

    async def check_live(self) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smtpguard", "check", "--live", "--config", str(self.config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


@asynccontextmanager
async def mail_servers() -> AsyncIterator[tuple[FakeUpstream, FakeUpstream]]:
    async with FakeUpstream(users=PASSWORDS, require_login=True) as up, FakeUpstream(xclient=XCLIENT) as out:
        yield up, out


@asynccontextmanager
async def scene(folder: Path, **changes: Any) -> AsyncIterator[Scene]:
    async with mail_servers() as (up, out):
        config = write_config(folder, up, out, **changes)
        async with serving(config) as guard:
            yield Scene(config, up, out, guard)


async def test_a_changed_list_file_counts_after_sighup(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        assert await house.passes([BERLIN, BRANDENBURG], "before")
        house.change("brandenburg", crosspost_with=None)
        await house.reload()
        assert not await house.passes([BERLIN, BRANDENBURG], "after")


async def test_a_changed_list_file_counts_by_itself(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change("berlin", crosspost_with=["brandenburg", "press"])
        house.change("press", crosspost_with=["berlin"])
        copies = tmp_path / "state" / "last-good" / "lists"
        await house.until(
            lambda: all(
                (copies / each).read_text() == (house.lists / each).read_text()
                for each in ("berlin.yaml", "press.yaml")
            ),
            "copies",
        )
        assert await house.passes([BERLIN, PRESS], "after")


async def test_a_text_put_otherwise_counts_by_itself_and_a_broken_one_is_told_to_the_contact(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        folder = house.config.parent / "texts"
        folder.mkdir()
        (folder / "en.yaml").write_text("held: {fine: No harm done.}\n")
        await house.until(lambda: house.status_of("texts/en.yaml") is not None, "the status of the texts")
        assert not await house.passes([BERLIN, PRESS], "first")
        assert "No harm done." in body(house.notices()[-1])

        (folder / "en.yaml").write_text("held: {fine: '{{ fin }}'}\n")
        _, subject, text = await house.letter(1)
        assert "texts/en.yaml cannot be used as it is" == subject
        assert "texts/en.yaml:1:14: this text has no placeholder {{ fin }}." in text
        assert not await house.passes([BERLIN, PRESS], "second")
        assert "No harm done." in body(house.notices()[-1])


async def test_a_mail_that_is_under_way_is_judged_by_what_counts_at_its_end(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.guard.ports[0])

        async def ask(line: str) -> bytes:
            writer.write(line.encode() + b"\r\n")
            while not (reply := await reader.readline()).startswith((b"2", b"3", b"5")) or reply[3:4] == b"-":
                pass
            return reply

        await reader.readline()
        await ask("EHLO me.example.test")
        assert (await ask("AUTH PLAIN AGFubmFAZXhhbXBsZS50ZXN0AGFubmEtcGFzc3dvcmQ=")).startswith(b"235")
        await ask(f"MAIL FROM:<{MEMBERS['anna']}>")
        for each in (BERLIN, BRANDENBURG):
            await ask(f"RCPT TO:<{each}>")
        assert (await ask("DATA")).startswith(b"354")
        house.change("brandenburg", crosspost_with=None)
        await house.reload()
        assert (await ask("Subject: held\r\n\r\nwords\r\n.")).startswith(b"250")
        writer.close()
        assert not house.up.messages
        assert 1 == len(house.notices())


async def test_mail_flows_on_while_settings_change_again_and_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        running = True

        async def change() -> None:
            for number in range(12):
                house.change("brandenburg", crosspost_with=None if number % 2 == 0 else ["berlin"])
                house.change("press", about=f"News {number}")
                await house.reload()

        async def keep_sending(name: str) -> int:
            count = 0
            while running:
                assert 250 == (await house.submit([BERLIN, BRANDENBURG], f"{name} {count}")).code
                count += 1
            return count

        senders = [asyncio.create_task(keep_sending(name)) for name in ("a", "b", "c")]
        await change()
        running = False
        sent = sum(await asyncio.gather(*senders))
        assert sent == len(house.up.messages) + len(house.notices())
        assert b"fault" not in house.guard.log


async def test_a_broken_file_keeps_its_last_good_version_and_its_contact_is_told_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.put(house.file("berlin"), BROKEN)
        house.change("press", about="New")
        await house.reload()

        assert not await house.passes([BERLIN, ALL], "still a list")
        to, subject, text = await house.letter(1)
        assert "berlin-owner@lists.example.test" == to
        assert "lists/berlin.yaml cannot be used as it is" == subject
        assert 'lists/berlin.yaml:3:1: "manager" is written twice (first in line 2). Keep one of them.' in text
        assert "manager: sympa" in text
        assert "the former version counts" in text
        found = house.status_of("lists/berlin.yaml")
        assert found is not None
        assert (False, "its last good version") == (found["ok"], found["in_force"])
        assert "written twice" in found["problem"]
        code, said = await house.check_live()
        assert 1 == code
        assert "lists/berlin.yaml: its last good version is in force" in said

        house.change("press", about="Newer")
        await house.reload()
        assert found == house.status_of("lists/berlin.yaml")  # since when, too
        house.put(house.file("berlin"), BROKEN + "about: another mistake\nabout: another mistake\n")
        await house.reload()
        assert 1 == len(house.letters())

        house.put(house.file("berlin"), house.file("press").read_text().replace("press", "berlin"))
        await house.reload()
        to, subject, _ = await house.letter(2)
        assert "berlin-owner@lists.example.test" == to
        assert "lists/berlin.yaml is in order again" == subject
        assert (0, True) == ((await house.check_live())[0], (house.status_of("lists/berlin.yaml") or {})["ok"])

        house.put(house.file("berlin"), BROKEN)  # again on the same day
        await house.reload()
        house.change("berlin", manager="plain", about="x", contact="berlin-owner@lists.example.test")
        await house.reload()
        assert 2 == len(house.letters())


async def test_a_broken_file_keeps_its_last_good_version_over_a_restart(tmp_path: Path) -> None:
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out)
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            house.put(house.file("berlin"), BROKEN)
            await house.reload()
            await house.letter(1)
        assert not (tmp_path / "state" / "status.json").exists()
        for _ in range(2):
            async with serving(config) as guard:
                house = Scene(config, up, out, guard)
                await house.logged("event=file-not-used")
                assert "its last good version stays in force" in guard.log.decode()
                await house.submit([BERLIN, ALL])
                await house.until(lambda house=house: house.status_of("lists/berlin.yaml") is not None, "status")
        assert not up.messages
        assert 1 == len(house.letters())


async def test_a_broken_site_file_keeps_its_last_good_version_over_a_restart(tmp_path: Path) -> None:
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out)
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            house.put(config, config.read_text() + "organisation: again\n")
            await house.reload()
            to, subject, text = await house.letter(1)
            assert ("it@example.test", "smtpguard.yaml cannot be used as it is") == (to, subject)
            assert "organisation" in text
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            await house.logged("smtpguard.yaml: STARTING WITH ITS LAST GOOD VERSION")
            assert not await house.passes([BERLIN, ALL], "held")


async def test_a_site_file_that_is_broken_at_the_very_first_start_is_fatal(tmp_path: Path) -> None:
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out)
        config.write_text(config.read_text() + "organisation: again\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "smtpguard", "serve", "--config", str(config),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
        assert 78 == process.returncode
        assert b"written twice" in said


async def test_a_deleted_file_takes_its_list_away_and_says_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.file("press").unlink()
        await house.reload()
        assert b"a settings file was removed" in house.guard.log
        assert await house.passes([PRESS, ALL], "one list and one address")
        assert house.status_of("lists/press.yaml") is None
        assert not house.letters()


async def test_a_folder_that_vanished_takes_no_list_away(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        shutil.move(house.lists, tmp_path / "elsewhere")
        await house.reload()
        assert not await house.passes([PRESS, ALL], "held")
        shutil.move(tmp_path / "elsewhere", house.lists)
        await house.reload()
        assert 0 == (await house.check_live())[0]


async def test_what_is_read_at_start_only_is_named_and_stays(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(upstream={"server": "127.0.0.1:1", "tls": "none"}, organisation="Newly Named")
        await house.reload()
        await house.logged("this needs a restart")
        assert b"keys=upstream" in house.guard.log
        assert not await house.passes([BERLIN, ALL], "held")
        assert "Newly Named, mail check" in body(house.notices()[-1])
        assert ["upstream"] == house.status()["needs_restart"]
        code, said = await house.check_live()
        assert 1 == code
        assert "upstream: changed in the site file; this needs a restart" in said


async def test_pairs_accounts_and_the_contact_are_read_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        house.change_site(
            crosspost_pairs=[["press", "berlin"]],
            accounts={"anna": "anna.smith@example.test"},
            contact="sam@example.test",
        )
        await house.reload()
        assert await house.passes([BERLIN, PRESS], "a pair")
        await house.submit([BERLIN, ALL], "held")
        assert "anna.smith@example.test" == str(house.notices()[-1]["To"])
        house.put(house.config, "broken")
        await house.reload()
        assert "sam@example.test" == (await house.letter(1))[0]


@pytest.mark.slow
async def test_a_storm_of_sighups_ends_with_what_lies_there(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        for number in range(300):
            house.change("press", about=f"News {number}")
            house.guard.process.send_signal(signal.SIGHUP)
            if number % 50 == 0:
                assert not await house.passes([BERLIN, ALL], f"mail {number}")
        await house.reload()
        copy = tmp_path / "state" / "last-good" / "lists" / "press.yaml"
        await house.until(lambda: "News 299" in copy.read_text(), "the last one")
        assert house.guard.log.count(b"event=reloaded") < 300
        assert b"fault" not in house.guard.log


async def test_files_mounted_by_kubernetes_are_read_again_when_its_link_moves(tmp_path: Path) -> None:
    async with mail_servers() as (up, out):
        config = write_config(tmp_path, up, out)
        lists = config.parent / "lists"
        for number, partners in (("..one", ["brandenburg"]), ("..two", [])):
            (lists / number).mkdir()
            for file in lists.glob("*.yaml"):
                entry = {
                    **yaml.safe_load(file.read_text()),
                    **({"crosspost_with": partners} if file.stem == "berlin" else {}),
                }
                (lists / number / file.name).write_text(yaml.safe_dump(entry))
        for file in lists.glob("*.yaml"):
            file.unlink()
            file.symlink_to(f"..data/{file.name}")
        (lists / "..data").symlink_to("..one")
        async with serving(config) as guard:
            house = Scene(config, up, out, guard)
            assert await house.passes([BERLIN, BRANDENBURG], "before")
            (lists / "..new").symlink_to("..two")
            (lists / "..new").rename(lists / "..data")
            await house.logged("event=settings-read")
            assert not await house.passes([BERLIN, BRANDENBURG], "after")


async def test_a_state_dir_that_cannot_be_written_does_not_keep_settings_from_counting(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        copies = tmp_path / "state" / "last-good"
        await house.until((copies / "index.json").exists, "copies")
        shutil.rmtree(copies)
        copies.write_text("in the way")
        house.change("brandenburg", crosspost_with=None)
        await house.reload()
        await house.logged("no copies of the settings can be kept")
        assert not await house.passes([BERLIN, BRANDENBURG], "after")
        copies.unlink()
        await house.reload()
        assert {"berlin", "brandenburg", "all-members", "press"} == {each.stem for each in (copies / "lists").iterdir()}


async def test_without_a_guard_that_runs_live_has_nothing_good_to_say(tmp_path: Path) -> None:
    async with scene(tmp_path) as house:
        assert 0 == (await house.check_live())[0]
        house.guard.process.kill()
        await house.guard.ended()
        old = json.loads((tmp_path / "state" / "status.json").read_text())
        old["written"] = "2026-01-01T00:00:00+00:00"
        (tmp_path / "state" / "status.json").write_text(json.dumps(old))
        code, said = await house.check_live()
        assert 1 == code
        assert "it has ended, or it hangs" in said
        (tmp_path / "state" / "status.json").unlink()
        code, said = await house.check_live()
        assert 1 == code
        assert "no guard runs" in said
