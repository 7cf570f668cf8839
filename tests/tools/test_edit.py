"""`smtpguard edit`: what is saved is right, or nothing is saved."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.site import BERLIN, list_text, run_program, write_site

# Each starts the program and an editor.
pytestmark = pytest.mark.slow

NOBODY = 65534


def editor(folder: Path, *steps: str | None, also: str = "") -> dict[str, str]:
    """$VISUAL for an editor that saves `steps`, one each time it is started; None leaves the copy as it is."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(steps):
        if text is not None:
            (folder / f"step{number}").write_text(text, "utf-8")
    (folder / "count").write_text("0")
    script = folder / "editor with a blank"
    script.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(folder))}\nn=$(cat count)\nprintf '%s' \"$1\" > opened\n{also}\n"
        f'if [ -f step$n ]; then cat step$n > "$1"; fi\necho $((n+1)) > count\n'
    )
    script.chmod(0o755)
    return {"VISUAL": shlex.quote(str(script)), "EDITOR": "/bin/false"}


def edit(
    site: Path, environment: dict[str, str], answers: str = "", name: str = "berlin"
) -> subprocess.CompletedProcess[str]:
    return run_program("edit", name, "--config", site, text=answers, environment=environment)


def berlin(site: Path) -> Path:
    return site.parent / "lists" / "berlin.yaml"


def leftovers(site: Path) -> list[str]:
    names = {each.name for each in (site.parent / "lists").iterdir()}
    return sorted(names - {"berlin.yaml", "brandenburg.yaml", "harbour.yaml", "press.yaml"})


def test_a_change_without_mistakes_is_installed_with_mode_and_times_of_its_own(site: Path, tmp_path: Path) -> None:
    berlin(site).chmod(0o664)
    inode = berlin(site).stat().st_ino
    changed = BERLIN.replace("meetings", "meetings and minutes")

    said = edit(site, editor(tmp_path / "e", changed))

    assert (0, "") == (said.returncode, said.stderr)
    assert changed == berlin(site).read_text("utf-8")
    assert 0o664 == berlin(site).stat().st_mode & 0o777
    assert inode != berlin(site).stat().st_ino
    assert "lists/berlin.yaml: saved." in said.stdout
    assert [] == leftovers(site)


def test_the_editor_gets_a_copy_that_nobody_else_can_open_and_no_reader_takes_for_a_list(
    site: Path, tmp_path: Path
) -> None:
    look = (
        f'stat -c %a "$(dirname "$1")" > mode; {shlex.quote(sys.executable)} -m smtpguard check --config {site} > said'
    )

    edit(site, editor(tmp_path / "e", None, also=look))

    opened = Path((tmp_path / "e" / "opened").read_text())
    assert "berlin.yaml" == opened.name
    assert opened.parent.parent == site.parent / "lists"
    assert "700" == (tmp_path / "e" / "mode").read_text().strip()
    assert ".edit" not in (tmp_path / "e" / "said").read_text()
    assert "4 lists, no error" in (tmp_path / "e" / "said").read_text()


def test_what_a_change_means_for_the_examples_is_shown(site: Path, tmp_path: Path) -> None:
    changed = BERLIN.replace("crosspost_with: [brandenburg]\n", "").replace(
        '[berlin, brandenburg], subject: "Agenda", expect: pass',
        '[berlin, brandenburg], subject: "Agenda", expect: hold',
    )

    said = edit(site, editor(tmp_path / "e", changed))

    assert 0 == said.returncode
    assert (
        '  berlin: to berlin@lists.example.org, brandenburg@lists.example.org, subject "Agenda": '
        "would pass (12-03) before, now would be held (12-02)\n"
    ) in said.stdout
    assert '  berlin: to berlin@lists.example.org, subject "Agenda": would pass (12-01)\n' in said.stdout


def test_a_mistake_is_shown_and_can_be_mended(site: Path, tmp_path: Path) -> None:
    broken = BERLIN + "aliases: [x@lists.example.net]\n"
    mended = BERLIN + "aliases: [x@lists.example.org]\n"

    said = edit(site, editor(tmp_path / "e", broken, mended), "e\n")

    assert 0 == said.returncode
    assert "lists/berlin.yaml:10:11: x@lists.example.net is not in a list domain." in said.stdout
    assert "    aliases: [x@lists.example.net]\n" in said.stdout
    assert "(e)dit again, (d)rop" in said.stdout
    assert mended == berlin(site).read_text("utf-8")


@pytest.mark.parametrize(
    "broken",
    [
        "list: [",
        BERLIN.replace("manager: mailman3\n", ""),
        BERLIN + "aliases: [press@lists.example.org]\n",
        BERLIN + "alias: x\n",
        BERLIN.replace("expect: hold", "expect: pass"),
        "\ufeff" + BERLIN.replace("manager: ", "manager:\u00a0"),
        "x" * 70000,
    ],
    ids=["syntax", "key missing", "taken address", "unknown key", "example fails", "invisible letter", "too large"],
)
def test_what_is_wrong_is_never_installed(site: Path, tmp_path: Path, broken: str) -> None:
    said = edit(site, editor(tmp_path / "e", broken), "d\n")

    assert 1 == said.returncode
    assert BERLIN == berlin(site).read_text("utf-8")
    assert [] == leftovers(site)
    assert "(e)dit again" in said.stdout
    assert "Traceback" not in said.stderr


def test_a_change_that_breaks_another_file_is_not_installed(site: Path, tmp_path: Path) -> None:
    # press.yaml comes later, so the error is told at its line: the address is no longer its own.
    (site.parent / "lists" / "press.yaml").write_text(list_text("press", "aliases: [news@lists.example.org]"), "utf-8")

    said = edit(site, editor(tmp_path / "e", BERLIN + "aliases: [news@lists.example.org]\n"), "drop\n")

    assert 1 == said.returncode
    assert "lists/press.yaml:5:11: news@lists.example.org already belongs to lists/berlin.yaml line 10." in said.stdout
    assert BERLIN == berlin(site).read_text("utf-8")


def test_errors_that_other_files_had_before_are_no_reason_to_refuse(site: Path, tmp_path: Path) -> None:
    (site.parent / "lists" / "press.yaml").write_text("list: [\n", "utf-8")
    changed = BERLIN.replace("meetings", "minutes")

    said = edit(site, editor(tmp_path / "e", changed))

    assert 0 == said.returncode
    assert "Another file has errors, so the examples were not tried." in said.stdout
    assert changed == berlin(site).read_text("utf-8")


@pytest.mark.parametrize("already", [True, False])
def test_an_example_of_another_file_is_shown_and_keeps_nobody_from_saving(
    site: Path, tmp_path: Path, *, already: bool
) -> None:
    press = site.parent / "lists" / "press.yaml"
    press.write_text(list_text("press", "examples:", f"  - {{to: berlin, expect: {'hold' if already else 'pass'}}}"))
    changed = BERLIN.replace("examples:", 'call: "Robin"\nwrong_if: {subject_has: example, use: press}\nexamples:')

    said = edit(site, editor(tmp_path / "e", BERLIN + 'call: "Robin"\n' if already else changed))

    assert (0, "") == (said.returncode, said.stderr)
    assert "call:" in berlin(site).read_text("utf-8")
    now = 'would pass (12-01) before, now would be held (12-23); its file expects "pass"'
    assert (now in said.stdout) is not already


def test_a_link_instead_of_the_copy_is_not_installed(site: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("list: hunter2@lists.example.org\n")
    also = f'rm "$1"; ln -s {secret} "$1"'

    said = edit(site, editor(tmp_path / "e", also=also), answers="d\n")

    assert 1 == said.returncode
    assert "the editor has left a link" in said.stdout
    assert "hunter2" not in said.stdout
    assert BERLIN == berlin(site).read_text("utf-8")
    assert not berlin(site).is_symlink()


def test_a_broken_file_that_was_only_looked_at_is_said_to_be_broken(site: Path, tmp_path: Path) -> None:
    berlin(site).write_text(BERLIN + "call: 0301\n", "utf-8")

    said = edit(site, editor(tmp_path / "e", None), answers="d\n")

    assert 1 == said.returncode
    assert 'lists/berlin.yaml:10:7: "call" must be text.' in said.stdout
    assert "nothing was changed" in said.stdout


@pytest.mark.parametrize("answers", ["q\n", "", "x\nq\n"], ids=["quit", "gone away", "asked twice"])
def test_whoever_quits_keeps_what_was_typed(site: Path, tmp_path: Path, answers: str) -> None:
    said = edit(site, editor(tmp_path / "e", "list: ["), answers)

    assert 1 == said.returncode
    assert BERLIN == berlin(site).read_text("utf-8")
    assert [".berlin.yaml.rejected"] == leftovers(site)
    assert "list: [" == (site.parent / "lists" / ".berlin.yaml.rejected").read_text()
    assert ".berlin.yaml.rejected" in said.stdout
    assert 0 == run_program("check", "--config", site).returncode


def test_nothing_changed_is_said(site: Path, tmp_path: Path) -> None:
    said = edit(site, editor(tmp_path / "e", None))

    assert 0 == said.returncode
    assert "lists/berlin.yaml: nothing was changed." in said.stdout


def test_an_editor_that_fails_or_is_not_there_changes_nothing(site: Path, tmp_path: Path) -> None:
    failed = edit(site, {"VISUAL": "", "EDITOR": "false"})
    absent = edit(site, {"VISUAL": str(tmp_path / "none")})
    torn = edit(site, {"VISUAL": "'ed"})

    assert (1, 1, 1) == (failed.returncode, absent.returncode, torn.returncode)
    assert "the editor false ended with code 1" in failed.stderr
    assert "none cannot be started: No such file or directory" in absent.stderr
    assert "$VISUAL cannot be read" in torn.stderr
    assert BERLIN == berlin(site).read_text("utf-8")
    assert [] == leftovers(site)


def test_two_admins_cannot_edit_one_file_at_a_time(site: Path, tmp_path: Path) -> None:
    again = f"VISUAL=true {shlex.quote(sys.executable)} -m smtpguard edit"
    second = f"{again} berlin --config {site} > second 2>&1; echo $? >> second"
    other = f"{again} press --config {site} > other 2>&1"

    said = edit(site, editor(tmp_path / "e", BERLIN + "# mine\n", also=f"{second}\n{other}"))

    assert 0 == said.returncode
    assert (
        (tmp_path / "e" / "second")
        .read_text()
        .endswith("is being edited by somebody else. Try again when they are done.\n1\n")
    )
    assert "nothing was changed" in (tmp_path / "e" / "other").read_text()
    assert berlin(site).read_text("utf-8").endswith("# mine\n")


def test_a_change_made_meanwhile_without_this_command_is_not_written_over(site: Path, tmp_path: Path) -> None:
    theirs = f"echo '# theirs' >> {berlin(site)}"

    said = edit(site, editor(tmp_path / "e", BERLIN + "# mine\n", also=theirs), "d\n")

    assert 1 == said.returncode
    assert "somebody else has changed this file meanwhile" in said.stdout
    assert BERLIN + "# theirs\n" == berlin(site).read_text("utf-8")


def test_a_link_within_the_folder_stays_one(site: Path, tmp_path: Path) -> None:
    hidden = site.parent / "lists" / ".store"
    hidden.mkdir()
    berlin(site).rename(hidden / "one.yaml")
    berlin(site).symlink_to(Path(".store") / "one.yaml")
    changed = BERLIN.replace("meetings", "minutes")

    said = edit(site, editor(tmp_path / "e", changed))

    assert 0 == said.returncode, said.stderr
    assert berlin(site).is_symlink()
    assert changed == (hidden / "one.yaml").read_text("utf-8")


def test_a_link_out_of_the_folder_is_not_followed(site: Path, tmp_path: Path) -> None:
    berlin(site).rename(tmp_path / "elsewhere.yaml")
    berlin(site).symlink_to(tmp_path / "elsewhere.yaml")

    said = edit(site, editor(tmp_path / "e", "x"), "d\n")

    assert 1 == said.returncode
    assert "is a link to a place outside its folder" in said.stderr
    assert BERLIN == (tmp_path / "elsewhere.yaml").read_text("utf-8")


def test_a_broken_file_can_be_mended_by_it(site: Path, tmp_path: Path) -> None:
    berlin(site).write_text("list: [\n", "utf-8")

    said = edit(site, editor(tmp_path / "e", BERLIN))

    assert 0 == said.returncode
    assert BERLIN == berlin(site).read_text("utf-8")


@pytest.mark.parametrize("name", ["berlin@lists.example.org", "lists/berlin.yaml", "BERLIN"])
def test_a_list_may_be_named_by_its_address_or_its_file(site: Path, tmp_path: Path, name: str) -> None:
    assert 0 == edit(site, editor(tmp_path / "e", None), name=name).returncode


def test_a_list_that_is_not_there_is_a_wrong_command_line(site: Path) -> None:
    said = edit(site, {}, name="paris")

    assert 2 == said.returncode
    assert 'there is no list "paris"' in said.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_keeps_owner_and_group(site: Path, tmp_path: Path) -> None:
    os.chown(berlin(site), 12345, 23456)

    edit(site, editor(tmp_path / "e", BERLIN + "# root was here\n"))

    status = berlin(site).stat()
    assert (12345, 23456) == (status.st_uid, status.st_gid)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user of the machine can reach, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def as_nobody(site: Path, script: Path) -> subprocess.CompletedProcess[str]:
    """`edit berlin` by a user who is not root; skipped where that user cannot reach this Python."""
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        able = (
            subprocess.run([sys.executable, "-c", "import smtpguard.cli"], cwd="/", check=False, **user).returncode == 0
        )
    except PermissionError:
        able = False
    if not able:
        pytest.skip("only root can read this Python")
    return subprocess.run(
        [sys.executable, "-m", "smtpguard", "edit", "berlin", "--config", str(site)],
        input="", capture_output=True, text=True, timeout=60, check=False, cwd="/",
        env={**os.environ, "VISUAL": str(script)}, **user,
    )  # fmt: skip


def adding(folder: Path) -> Path:
    """An editor that adds a line."""
    script = folder / "editor"
    script.write_text('#!/bin/sh\necho "# mine" >> "$1"\n')
    script.chmod(0o755)
    return script


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_who_may_not_give_files_away_is_told_that_the_file_is_his_now(shared: Path) -> None:
    site = write_site(shared / "config")
    site.parent.joinpath("lists").chmod(0o777)

    said = as_nobody(site, adding(shared))

    assert (0, "") == (said.returncode, said.stderr)
    assert "the file now belongs to you; its former owner could not be kept" in said.stdout
    assert (NOBODY, 0o644) == (berlin(site).stat().st_uid, berlin(site).stat().st_mode & 0o777)
    assert berlin(site).read_text("utf-8").endswith("# mine\n")


def test_a_folder_that_cannot_be_written_to_is_said(shared: Path) -> None:
    site = write_site(shared / "config")
    site.parent.joinpath("lists").chmod(0o555)

    said = as_nobody(site, adding(shared))

    site.parent.joinpath("lists").chmod(0o755)
    assert 73 == said.returncode
    assert "smtpguard: lists/berlin.yaml cannot be written: Permission denied\n" == said.stderr


def test_an_interrupt_leaves_the_file_and_no_copy_behind(site: Path, tmp_path: Path) -> None:
    waits = tmp_path / "waits"
    waits.write_text("#!/bin/sh\ntrap 'exit 1' INT\ntouch \"$0.ready\"\nwhile :; do sleep 0.05; done\n")
    waits.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "smtpguard", "edit", "berlin", "--config", str(site)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "VISUAL": str(waits)},
        # Whoever runs the tests in the background may have had interrupts switched off for all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs here
    )  # fmt: skip
    try:
        while not (tmp_path / "waits.ready").exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, 2)
        process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.communicate()
    assert BERLIN == berlin(site).read_text("utf-8")
    assert [] == leftovers(site)
