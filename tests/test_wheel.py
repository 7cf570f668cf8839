"""The wheel: the same octets whoever builds it, and all that is needed in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "deploy/README.md")
DEPLOYED = ("nginx", "postfix")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(folder: Path, *, seconds: int, umask: int) -> Path:
    """The wheel of a copy of this checkout, whose files are of that time, built by somebody with that umask."""
    tree = folder / "tree"
    shutil.copytree(ROOT / "smtpguard", tree / "smtpguard", ignore=shutil.ignore_patterns("__pycache__"))
    for name in DEPLOYED:
        shutil.copytree(ROOT / "deploy" / name, tree / "deploy" / name)
    for name in NEEDED:
        shutil.copy(ROOT / name, tree / name)
    for each in tree.rglob("*"):
        os.utime(each, (seconds, seconds))
    before = os.umask(umask)
    try:
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, tree)
    finally:
        os.umask(before)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"), seconds=1_700_000_000, umask=0o022)


@pytest.mark.slow
def test_two_people_build_the_same_octets(wheel: Path, tmp_path: Path) -> None:
    other = built(tmp_path, seconds=1_500_000_000, umask=0o077)

    assert other.name == wheel.name == "smtpguard-0.1.0-py3-none-any.whl"
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()


@pytest.mark.slow
def test_every_file_of_the_program_is_in_it_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    program = {
        each.relative_to(ROOT).as_posix()
        for each in (ROOT / "smtpguard").rglob("*")
        if each.is_file() and "__pycache__" not in each.parts
    }
    deployed = [each for name in DEPLOYED for each in (ROOT / "deploy" / name).iterdir()]
    for each in (ROOT / "deploy" / "README.md", *deployed):
        program.add(f"smtpguard/deployed/{each.relative_to(ROOT / 'deploy').as_posix()}")

    assert program <= names
    assert all(each.split("/")[0].endswith(".dist-info") for each in names - program)


@pytest.mark.slow
def test_it_works_in_a_new_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    run(sys.executable, "-m", "venv", place)
    python = place / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
    # What it needs comes from here: a test cannot count on a network.
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(packages) / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    program = place / "bin" / "smtpguard"

    at = run(python, "-c", "import smtpguard; print(smtpguard.__file__)", cwd=tmp_path)
    assert Path(at.strip()).is_relative_to(place)
    assert run(program, "--version", cwd=tmp_path) == "smtpguard, version 0.1.0\n"
    shutil.copytree(ROOT / "config", tmp_path / "config")
    assert "no error" in run(program, "check", "--config", tmp_path / "config" / "smtpguard.yaml", cwd=tmp_path)
    # The lines for the mail server come with it.
    site = tmp_path / "site" / "smtpguard.yaml"
    answers = (
        "--organisation",
        "Us",
        "--server",
        "mail.example.org",
        "--domain",
        "example.org",
        "--list-domains",
        "none",
    )
    assert "Written." in run(program, "setup", "--yes", "--without-dns", *answers, "--config", site, cwd=tmp_path)
    assert "no error" in run(program, "check", "--config", site, cwd=tmp_path)
    # A tour over real sockets: relays, holds, asks and releases.
    assert "notice" in run(program, "demo", cwd=tmp_path).lower()
