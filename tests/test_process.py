"""T-06: what the operating system may do with the guard's memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
