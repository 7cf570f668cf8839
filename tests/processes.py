"""What the system says of a process."""

from __future__ import annotations

from pathlib import Path


def state_of(pid: int) -> str:
    """As in proc(5): T stands still, Z has ended; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_there(pid: int) -> bool:
    """False once the process has ended."""
    return state_of(pid) not in ("", "Z", "X")
