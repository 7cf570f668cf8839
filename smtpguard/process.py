"""What the operating system may do with our memory (THREAT-MODEL T-06).

Passwords, tokens and plain mail pass through this process. It leaves no core file behind, and no other process of the
same user may attach to it or read its memory.
"""

from __future__ import annotations

import ctypes
import os
import resource

# prctl(2), from linux/prctl.h.
_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Switch off core dumps and debugging of this process. Raises OSError if the system refuses."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_DUMPABLE): {os.strerror(number)}")
