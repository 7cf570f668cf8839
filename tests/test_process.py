"""What the operating system gives the guard (open files), and what it may do with its memory (T-06)."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from smtpguard.process import RARER_LOOKS, TURN_SECONDS, clearing_up_later, descriptors_for, take_short_turns

CHILD = """
import ctypes, resource, sys
from smtpguard.process import harden
harden()
dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
print(dumpable, *resource.getrlimit(resource.RLIMIT_CORE), flush=True)
sys.stdin.read()
"""


def test_T_06_a_hardened_process_leaves_no_core_and_is_closed_to_others_of_its_user() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        said = child.stdout.readline().split()
        owner = Path(f"/proc/{child.pid}/environ").stat().st_uid
        child.stdin.close()
        assert child.wait(timeout=30) == 0

    assert said == ["0", "0", "0"]
    assert owner == 0  # root's, whoever runs it: proc(5)


HEAPS = """
import threading
from pathlib import Path
from smtpguard.process import use_one_heap
use_one_heap()
kept = []
together = threading.Barrier(4)

def takes():
    together.wait()
    kept.append(bytes(50_000))
    together.wait()

threads = [threading.Thread(target=takes) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
heap = next(line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
begin, end = (int(each, 16) for each in heap.split("-"))
print(*(begin <= id(each) < end for each in kept))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has one heap")
def test_what_threads_take_comes_from_one_heap() -> None:
    done = subprocess.run([sys.executable, "-c", HEAPS], capture_output=True, text=True, check=True)

    assert ["True"] * 4 == done.stdout.split()


FAULTS = """
import asyncio, sys, threading
from smtpguard import maillog
from smtpguard.listener.server import keep_tracebacks_out
from smtpguard.process import tell_faults
maillog.set_up("info", "logfmt")
tell_faults(maillog.fault)

def fails():
    raise ValueError("planted words of a mail")

class Unfinished:
    def __del__(self):
        fails()

async def in_loop():
    keep_tracebacks_out(asyncio.get_running_loop())
    asyncio.get_running_loop().call_soon(fails)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

asyncio.run(in_loop())
thread = threading.Thread(target=fails)
thread.start()
thread.join()
Unfinished()
fails()
"""


def test_T_06_what_nobody_catches_is_told_by_class_and_place_and_quotes_nothing() -> None:
    child = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=False)

    assert child.returncode == 1
    assert "planted" not in child.stderr
    assert "Traceback" not in child.stderr
    assert 3 == child.stderr.count("event=fault")
    assert 4 == child.stderr.count("error=ValueError")
    assert 3 == child.stderr.count('at="<string>:')


FILES = """
import resource, sys
from smtpguard.process import allow_descriptors
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_descriptors(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed"),
    [(64, 512, 256, 256), (64, 512, 512, 512), (64, 512, 9000, 512), (300, 512, 256, 300), (512, 512, 9000, 512)],
)
def test_open_files_are_raised_as_far_as_wanted_and_allowed_and_never_lowered(
    soft: int, hard: int, wanted: int, allowed: int
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FILES, *map(str, (soft, hard, wanted))], capture_output=True, text=True, check=True
    )

    assert [allowed, allowed, hard] == [int(word) for word in child.stdout.split()]


def test_every_session_has_room_for_client_mail_server_and_a_large_mail() -> None:
    assert 3 * 2000 < descriptors_for(2000) < 4 * 2000


def test_threads_give_the_interpreter_back_after_a_short_turn() -> None:
    before = sys.getswitchinterval()
    try:
        take_short_turns()
        assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
    finally:
        sys.setswitchinterval(before)


def test_python_looks_through_everything_less_often_for_a_time_and_then_as_before() -> None:
    former = gc.get_threshold()

    def fails() -> None:
        with clearing_up_later():
            assert gc.get_threshold() == (former[0], former[1], former[2] * RARER_LOOKS)
            raise LookupError

    with pytest.raises(LookupError):
        fails()
    assert former == gc.get_threshold()
