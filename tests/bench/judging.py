"""What judging one mail costs, step by step: `python -m tests.bench.judging`. No sockets, one thread, nothing else.

CPU milliseconds of this process, the best of some rounds: what the code needs, not what the machine had to do besides.
"""

from __future__ import annotations

import argparse
import base64
import random
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime

from smtpguard.examination import examine
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import parse_address
from smtpguard.mail.content import Content, WireContent
from smtpguard.mail.message import Account, Submission
from smtpguard.policy import Policy
from smtpguard.reading import NoticeSigns, look_into, open_content
from tests.bench import bodies, systems

ROUNDS = 7
# A round of one mail lasts at least so long.
ROUND_SECONDS = 0.05
FILE_OCTETS = 7 * 1024 * 1024  # 10 MB in base64
QUOTES = 12


def mails() -> dict[str, str]:
    """The bodies of the benchmark, and some more that members write; lines end in LF."""
    header, prose = bodies._HEADER, bodies._prose
    thread = ""
    for number in range(QUOTES):
        quoted = "".join(f"> {line}\n" for line in thread.splitlines())
        thread = f"{prose(400)}\nOn 3 May 2026 at 10:0{number % 10}, Anna <anna@example.test> wrote:\n{quoted}"
    page = "".join(f"<p style='margin:0'>{line}<br></p>\n" for line in prose(4096).splitlines())
    both = (
        f"{header}Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{prose(4096)}"
        f"--b\nContent-Type: text/html; charset=utf-8\n\n<html><body>{page}</body></html>\n--b--\n"
    )
    return {
        "4 KB of prose": bodies._prose_mail(),
        "100 KB, most of it a file": bodies._mail_with_attachment(),
        "10 MB, lines of X": bodies._huge_mail(),
        "10 MB, most of it a file": _with_file(FILE_OCTETS),
        "64 KB of prose": f"{header}\n{prose(64 * 1024)}",
        "10 MB of prose": f"{header}\n{prose(10_000_000)}",
        f"{QUOTES} answers quoted": f"{header}\n{thread}",
        "4 KB, plain and HTML": both,
    }


def _with_file(octets: int) -> str:
    file = base64.encodebytes(random.Random(13).randbytes(octets)).decode()
    return (
        f"{bodies._HEADER}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSee the file.\n"
        f"--b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{file}--b--\n"
    )


def _policy() -> Policy:
    names = [parse_address(f"{each}@lists.example.test") for each in systems.LISTS]
    lists = [MailingList(each.local_part, each, Manager.MAILMAN3, "A list", "x@y.test") for each in names if each]
    guard = parse_address("mailcheck@check.example.test")
    return Policy(tuple(lists), member_domains=frozenset({"example.test"}), guard_address=guard)


class _Judging:
    """One mail on its way through the steps, as `guard.py` takes them."""

    def __init__(self, content: Content, policy: Policy) -> None:
        self._content = content
        self._policy = policy
        self._signs = NoticeSigns(policy.guard_address)
        self._account = Account("robin@example.test", parse_address("robin@example.test"))

    def opened(self) -> object:
        return open_content(self._content, self._signs)

    def read(self) -> object:
        return look_into(open_content(self._content, self._signs), self._signs)

    def judged(self) -> object:
        message, _ = look_into(open_content(self._content, self._signs), self._signs)
        to = tuple(each for each in (parse_address("berlin@lists.example.test"),) if each)
        now = datetime(2026, 1, 5, tzinfo=UTC)
        return examine(Submission("1", self._account, to, message, now, self._content.size), self._policy)


def cost(step: Callable[[], object]) -> float:
    """CPU milliseconds of one call."""
    began = time.process_time()
    step()
    times = max(1, int(ROUND_SECONDS / max(1e-6, time.process_time() - began)))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            step()
        best = min(best, (time.process_time() - began) / times)
    return best * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="judging", description=__doc__)
    parser.add_argument("--only", default="", help="mails whose name holds this")
    options = parser.parse_args()
    policy = _policy()
    print(f"{'CPU milliseconds for one mail':30}{'opened':>10}{'and read':>10}{'and judged':>12}{'peak MB':>10}")
    for name, text in mails().items():
        if options.only not in name:
            continue
        judging = _Judging(WireContent(text.replace("\n", "\r\n").encode()), policy)
        costs = [cost(step) for step in (judging.opened, judging.read, judging.judged)]
        # The most memory so far, all mails above and this program included: it can only grow.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:30}{costs[0]:10.3f}{costs[1]:10.3f}{costs[2]:12.3f}{peak:10.0f}")


if __name__ == "__main__":
    main()
