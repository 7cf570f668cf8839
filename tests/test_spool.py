"""Content on its way in: kept whole, and never in clear on a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.mail.content import Content
from smtpguard.spool import BLOCK, SPOOL_THRESHOLD, Intake

SECRET = b"between us, the treasurer is leaving\r\n"


def taken(folder: Path | None, pieces: list[bytes], threshold: int = SPOOL_THRESHOLD) -> Content:
    intake = Intake(folder, threshold)
    for piece in pieces:
        intake.write(piece)
    return intake.finish()


def open_files() -> dict[int, str]:
    """The regular files that this process holds open, by descriptor."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except OSError:
            continue  # the descriptor of the listing itself
    return {number: target for number, target in found.items() if target.startswith("/")}


@given(st.lists(st.binary(max_size=3 * 100)), st.integers(0, 600))
def test_content_comes_out_as_it_went_in_on_both_sides_of_the_threshold(pieces: list[bytes], threshold: int) -> None:
    content = taken(None, pieces, threshold)
    try:
        assert b"".join(pieces) == b"".join(content.pieces())
        assert b"".join(pieces) == b"".join(content.pieces())
        assert len(b"".join(pieces)) == content.size
    finally:
        content.close()


@pytest.mark.parametrize("size", [SPOOL_THRESHOLD, SPOOL_THRESHOLD + 1, 5 * BLOCK - 1, 5 * BLOCK, 5 * BLOCK + 1])
def test_block_borders_lose_nothing(tmp_path: Path, size: int) -> None:
    octets = os.urandom(size)

    content = taken(tmp_path, [octets[at : at + 1000] for at in range(0, size, 1000)])

    assert octets == b"".join(content.pieces())
    content.close()


def test_two_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    content = taken(tmp_path, [os.urandom(4 * BLOCK)], threshold=0)

    pairs = list(zip(content.pieces(), content.pieces(), strict=True))

    assert all(one == other for one, other in pairs)
    assert len(pairs) == 4
    content.close()


def test_small_content_opens_no_file(tmp_path: Path) -> None:
    before = set(open_files().values())

    content = taken(tmp_path, [b"x" * SPOOL_THRESHOLD])

    assert before == set(open_files().values())
    content.close()


def test_T_06_big_content_has_no_name_and_is_not_plain_on_disk(tmp_path: Path) -> None:
    plain = SECRET * (SPOOL_THRESHOLD // len(SECRET) + 2)

    content = taken(tmp_path, [plain])

    (number,) = [number for number, target in open_files().items() if target.startswith(str(tmp_path))]
    on_disk = os.pread(number, 2 * len(plain), 0)
    assert len(on_disk) > len(plain)
    assert b"treasurer" not in on_disk
    assert not any(on_disk[at : at + 8] in SECRET for at in range(0, len(on_disk), 8))
    assert not any(tmp_path.iterdir())
    content.close()
    assert not [target for target in open_files().values() if target.startswith(str(tmp_path))]


def test_T_06_same_content_looks_different_each_time(tmp_path: Path) -> None:
    contents = [taken(tmp_path, [SECRET * 100], threshold=0) for _ in range(2)]

    numbers = [number for number, target in open_files().items() if target.startswith(str(tmp_path))]
    one, other = (os.pread(number, 10_000, 0) for number in numbers)
    assert one[:16] != other[:16]
    for content in contents:
        content.close()


def test_a_changed_file_is_noticed_instead_of_sent(tmp_path: Path) -> None:
    content = taken(tmp_path, [SECRET * 100], threshold=0)
    (number,) = [number for number, target in open_files().items() if target.startswith(str(tmp_path))]

    os.pwrite(number, b"?", 50)

    with pytest.raises(OSError, match="does not hold what was written"):
        b"".join(content.pieces())
    content.close()


def test_closing_an_unfinished_intake_forgets_it(tmp_path: Path) -> None:
    intake = Intake(tmp_path, threshold=0)
    intake.write(SECRET)

    intake.close()
    intake.close()

    assert not [target for target in open_files().values() if target.startswith(str(tmp_path))]
    with pytest.raises(ValueError, match="closed"):
        intake.write(b"more")


def test_finished_content_outlives_its_intake(tmp_path: Path) -> None:
    intake = Intake(tmp_path, threshold=0)
    intake.write(SECRET)
    content = intake.finish()

    intake.close()

    assert list(content.pieces()) == [SECRET]
    content.close()
    with pytest.raises(ValueError, match="closed"):
        list(content.pieces())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from smtpguard.spool import Intake

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
intake = Intake(Path(sys.argv[1]), threshold=1000)
try:
    for _ in range(100):
        intake.write(b"x" * 10_000)
except OSError as error:
    print("refused", intake.size < 300_000)
"""


def test_a_full_disk_reaches_the_caller_as_oserror(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "refused True" in done.stdout, done.stderr
    assert done.stderr == ""


def test_a_missing_folder_is_an_oserror(tmp_path: Path) -> None:
    intake = Intake(tmp_path / "gone", threshold=0)

    with pytest.raises(OSError, match="gone"):
        intake.write(b"x")
