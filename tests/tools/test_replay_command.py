"""`smtpguard replay`, as an admin calls it: what it prints, what it leaves alone, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from smtpguard.tools.progress import Bars
from tests.tools.replays import BOTH, FIRST, HOUR, mbox, of_list
from tests.tools.site import list_text, run_program, write_site

pytestmark = pytest.mark.slow


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A post and two cross-posts, the second one in the month after."""
    return mbox(
        tmp_path / "berlin.mbox",
        of_list("berlin", 1, FIRST),
        of_list("berlin", 2, FIRST + HOUR, to=BOTH),
        of_list("berlin", 3, FIRST + timedelta(days=30), to=BOTH),
    )


def test_the_tables_tell_what_would_be_held(site: Path, archive: Path) -> None:
    done = run_program("replay", archive, "--config", site, "--mails")

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout == dedent(
        f"""\
        {site}
        1 archive, 3 mails, Mar 2025 to Apr 2025

        total  mails  held
        all        3     2

        list    mails  held
        berlin      3     2
        press       2     2

        rule   held
        12-02     2

        list and rule  held
        berlin, 12-02     2
        press, 12-02      2

        month    mails  held
        2025-03      2     1
        2025-04      1     1

        12-02: A message goes to two or more lists that have not agreed to be addressed together.

        2 mails would cause an alarm:
        {archive}, 2, 2025-03-03 10:00, <2@example.org>
          held: 12-02 (berlin, press)
        {archive}, 3, 2025-04-02 09:00, <3@example.org>
          held: 12-02 (berlin, press)
        """
    )


def test_two_configurations_are_compared_mail_by_mail(site: Path, archive: Path, tmp_path: Path) -> None:
    other = write_site(tmp_path / "other")
    for name, with_ in (("berlin", "press"), ("press", "berlin")):
        (other.parent / "lists" / f"{name}.yaml").write_text(list_text(name, f"crosspost_with: [{with_}]"))

    done = run_program("replay", archive, "--config", site, "--against", other)

    assert (0, "") == (done.returncode, done.stderr)
    assert f"A: {site}\nB: {other}\n" in done.stdout
    assert "total  mails A  mails B  held A  held B\nall          3        3       2       0\n" in done.stdout
    assert "2 mails fare differently:\n" in done.stdout
    assert (
        f"{archive}, 2, 2025-03-03 10:00, <2@example.org>\n  A: held: 12-02 (berlin, press)\n  B: passes\n"
        in done.stdout
    )


def test_programs_get_all_of_it_as_one_object(site: Path, archive: Path) -> None:
    done = run_program("replay", archive, "--config", site, "--json")

    found = json.loads(done.stdout)
    (told,) = found["configurations"]
    assert [str(archive), 3] == [found["archives"][0][each] for each in ("archive", "mails")]
    assert {"held": 2, "refused": 0, "observed": 0, "passed": 1} == told["total"] == told["lists"]["berlin"]
    assert {"list": "press", "row": "12-02", "month": "2025-04", "effect": "held", "mails": 1} in told["alarms"]
    assert [("2", "<2@example.org>"), ("3", "<3@example.org>")] == [
        (each["position"], each["message_id"]) for each in found["alarmed"]
    ]
    assert found["differing"] is None


def test_nothing_of_a_mail_but_its_name_is_told(site: Path, tmp_path: Path) -> None:
    mail = of_list("berlin", 1, FIRST, "Quite confidential words", to=BOTH)
    archive = mbox(tmp_path / "a.mbox", mail.replace(b"Subject: Meeting 1", b"Subject: Secret plans"))
    page = tmp_path / "report.html"

    told = [
        run_program("replay", archive, "--config", site, "--mails", "--html", page),
        run_program("replay", archive, "--config", site, "--json"),
    ]

    words = "".join(each.stdout + each.stderr for each in told) + page.read_text("utf-8")
    assert "<1@example.org>" in words
    assert not re.search(r"anna|secret|plans|confidential", words, re.IGNORECASE)


# Loaded by each Python that starts, those that judge as well: whoever touches what the folder has is ended.
_TRIPWIRE = """\
import os, sys

def hook(event, arguments):
    if event == "open" or event.split(".")[0] in ("os", "sqlite3", "shutil", "socket"):
        for each in arguments:
            text = os.fsdecode(each) if isinstance(each, bytes) else each
            if isinstance(text, str) and {folder!r} in text or event == "socket.connect":
                os.write(2, f"tripwire: {event}\\n".encode())
                os._exit(99)

sys.addaudithook(hook)
"""


@pytest.fixture
def tripwire(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A state folder that nobody may touch, and what a program's environment needs for it."""
    state, code = tmp_path / "live-state", tmp_path / "code"
    state.mkdir()
    code.mkdir()
    (code / "sitecustomize.py").write_text(_TRIPWIRE.replace("{folder!r}", repr(str(state))))
    paths = (str(code), *filter(None, [os.environ.get("PYTHONPATH")]))
    # Whoever is ended so leaves his temporary files where they are.
    return state, {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(code)}


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_the_live_state_is_never_touched(
    site: Path, archive: Path, tripwire: tuple[Path, dict[str, str]], store: str
) -> None:
    """THREAT-MODEL T-16."""
    state, environment = tripwire
    (state / "memory.sqlite3").write_bytes(b"not to be opened")
    settings = f"state_dir: {state}\nremember: lists\n"
    if store == "postgresql":
        settings += f"store: {{kind: postgresql, url_file: {state}/url}}\n"
    site.write_text(site.read_text() + settings)

    done = run_program("replay", archive, "--config", site, "--against", site, environment=environment)

    assert (0, "") == (done.returncode, done.stderr)
    assert "all          3        3       2       2" in done.stdout
    assert ["memory.sqlite3"] == [each.name for each in state.iterdir()]


def test_the_tripwire_sees_who_opens_what_lies_in_it(site: Path, tripwire: tuple[Path, dict[str, str]]) -> None:
    state, environment = tripwire
    site.write_text(site.read_text() + f"state_dir: {state}\n")

    archive = mbox(state / "berlin.mbox", of_list("berlin", 1, FIRST))

    assert 99 == run_program("replay", archive, "--config", site, environment=environment).returncode


def test_broken_settings_are_told_as_by_check_and_no_last_good_version_takes_their_place(
    site: Path, archive: Path
) -> None:
    (site.parent / "lists" / "berlin.yaml").write_text("list: nonsense\n")

    done = run_program("replay", archive, "--config", site)

    assert (78, "") == (done.returncode, done.stdout)
    assert "lists/berlin.yaml:" in done.stderr


def test_an_archive_that_cannot_be_read_is_told_and_the_others_are_replayed(site: Path, archive: Path) -> None:
    done = run_program("replay", archive, archive.with_name("absent"), "--config", site)

    assert 1 == done.returncode
    assert f"smtpguard: {archive.with_name('absent')}: No such file or directory\n" == done.stderr
    assert "all        3     2" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["berlni=a.mbox"], 'there is no list "berlni". Did you mean "berlin"?'),
        (["a.mbox", "--html", "absent/report.html"], "there is no such folder"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(site: Path, arguments: list[str], said: str) -> None:
    done = run_program("replay", *arguments, "--config", site)

    assert (2, "") == (done.returncode, done.stdout)
    assert said in done.stderr


def test_an_archive_without_mails_is_no_fault(site: Path, tmp_path: Path) -> None:
    (tmp_path / "berlin.mbox").write_bytes(b"")

    done = run_program("replay", tmp_path / "berlin.mbox", "--config", site, "--html", tmp_path / "report.html")

    assert (0, "") == (done.returncode, done.stderr)
    assert "1 archive, 0 mails\n" in done.stdout
    assert "None." in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_finds_no_copy_of_a_mail(site: Path, tmp_path: Path, number: signal.Signals) -> None:
    mails = (of_list("berlin", each, FIRST + each * HOUR, to=BOTH) for each in range(6000))
    archive, folder = mbox(tmp_path / "berlin.mbox", *mails), tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, "-m", "smtpguard", "replay", str(archive), "--config", str(site), "--against", str(site)]
    # Whoever runs the tests in the background has Ctrl-C ignored, and children inherit that.
    command = ["env", "--default-signal=INT", *command]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(folder)}, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while len([*folder.glob("*/?/memory.sqlite3")]) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)

    assert (130, b"") == (process.returncode, said)
    assert [] == [*folder.iterdir()]


def test_a_bar_is_shown_on_a_terminal_alone(capfd: pytest.CaptureFixture[str]) -> None:
    for shown in (True, False):
        with Bars(shown=shown).of("berlin\x1b.mbox", 100) as tell:
            tell(40)
            tell(100)

        said = capfd.readouterr()
        assert "" == said.out
        assert shown == ("berlin<U+001B>.mbox" in said.err)


def test_the_guide_shows_what_is_printed(tmp_path: Path) -> None:
    write_site(tmp_path / "config")
    new = write_site(tmp_path / "new")
    for name, with_ in (("berlin", "press"), ("press", "berlin")):
        (new.parent / "lists" / f"{name}.yaml").write_text(list_text(name, f"crosspost_with: [{with_}]"))
    harbour = "harbour@lists.example.org, berlin@lists.example.org"
    berlin = (
        of_list("berlin", each, FIRST + each * 100 * HOUR, to=BOTH if each % 5 == 4 else "") for each in range(20)
    )
    mbox(tmp_path / "berlin.mbox", *berlin, of_list("berlin", 90, FIRST + 400 * HOUR, to=harbour))
    mbox(tmp_path / "press.mbox", *(of_list("press", 30 + each, FIRST + each * 300 * HOUR) for each in range(7)))
    command = "smtpguard replay berlin.mbox press.mbox --config config/smtpguard.yaml --against new/smtpguard.yaml"
    said = " --html report.html"

    done = run_program(*(command + said).split()[1:], folder=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    shown = "".join(f"    {each}".rstrip() + "\n" for each in [command + said, "", *done.stdout.splitlines()])
    assert shown in (Path(__file__).parents[2] / "docs" / "operators.md").read_text("utf-8")
