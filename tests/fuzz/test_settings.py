"""Settings files: whatever is in them, the answer is settings or problems with their place, and never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.config.problems import PROBLEMS_PER_FILE_MAX, QUOTED_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, format_problem
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import HALF, corpus, each_of, fuzz

PIECES = [
    b"organisation: ", b"address: ", b"contact: ", b"listeners:\n", b"  - kind: submission\n", b"listen: ",
    b"upstream: ", b"server: ", b"lists: ", b"list_domains: ", b"accounts: ", b"desks: ", b"limits: ", b"list: ",
    b"manager: mailman3\n", b"about: ", b"aliases: ", b"crosspost_with: ", b"message_size: ", b"timezone: ",
    b"kind: announce\n", b"posters: ", b"includes: [berlin]\n", b"topics: ", b"wrong_if:\n  - subject_has: ",
    b"    use: ",
    b"exceptions:\n  - until: ", b"    reason: ", b"examples: ", b"    to: ", b"expect: hold\n", b"burst: ", b"was: ",
    b"groups: ", b"expands: ", b"list_addresses: ", b"defaults: ", b"memory: ", b"discussion: berlin\n", b"tag: ",
    b"a@example.org", b"lists.example.org", b"127.0.0.1:25", b"\n", b"\n", b"\n", b"\r", b"  ", b"\t", b": ", b":",
    b"- ", b"[", b"]", b"{", b"}", b",", b"&a ", b"*a", b"!!str ", b"!!python/object:x ", b"!!binary ", b"!!set ",
    b"!x ", b"<<: ", b"? ", b"|\n", b">-\n", b"'", b'"', b"\\x", b"\\u0000", b"#", b"%YAML 1.2\n", b"---\n", b"...\n",
    b"~", b"null", b"yes", b"1:30", b".nan", b"0o7", b"1e999", b"2026-01-01", b"=", b"\0", b"\xff", b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\xc2\x85", b"\x1b[2J", b"[" * 300, b"9" * 5000, b"x" * 2000,
]  # fmt: skip
SEEDS = corpus("settings")


def check_files(site: bytes, list_file: bytes, folder: Path) -> None:
    """Load one site file and one list file; `folder` has a second list that is right."""
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "smtpguard.yaml").write_bytes(site)
    (folder / "lists" / "berlin.yaml").write_bytes(list_file)
    loaded = load(folder / "smtpguard.yaml")
    octets = {"smtpguard.yaml": site, "lists/berlin.yaml": list_file}
    assert loaded.ok == (loaded.policy is not None) == (loaded.directory is not None)
    assert len(loaded.problems) <= 2 * (PROBLEMS_PER_FILE_MAX + 1)
    for problem in loaded.problems:
        lines = len(octets[problem.file].splitlines()) + octets[problem.file].count(b"\r") + 1
        assert 0 <= problem.line <= max(1, lines)
        assert problem.line == 0 or problem.column >= 1
        assert problem.text
        # What cannot be shown is shown by its number.
        assert len(problem.text) <= 9 * (TEXT_CHARACTERS_MAX + 3)
        assert len(problem.quoted) <= 9 * (QUOTED_CHARACTERS_MAX + 6)
        assert format_problem(problem).replace("\n    ", "").isprintable()
        assert "Traceback" not in problem.text


@each_of("settings")
def test_corpus(octets: bytes, tmp_path: Path) -> None:
    good = corpus("settings")
    check_files(octets, octets, tmp_path)
    check_files(next(each for each in good if each.startswith(b"organisation: Example")), octets, tmp_path)


@pytest.mark.slow
def test_fuzz_settings(tmp_path: Path) -> None:
    files = mutated(SEEDS, PIECES) | heap(PIECES)
    fuzz(lambda site, list_file: check_files(site, list_file, tmp_path), share=HALF, site=files, list_file=files)
