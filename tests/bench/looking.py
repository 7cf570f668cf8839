"""What a look into the memory of private mail takes: `python -m tests.bench.looking`. No sockets.

A site that remembers all, with 100,000 private mails; members write to a list, and their words are compared with the
mails that each of them wrote or got. Milliseconds from the read mail to the evidence, by the clock: what its sender
waits longer for. Then what a private mail and a post cost once they are taken, in CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from smtpguard.evidence import Evidence
from smtpguard.keys import KeyFolder
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account, Message, Passage, Submission, Voice
from smtpguard.origins import Origins
from smtpguard.policy import Policy, Remember
from smtpguard.store.memory import SQLiteMemory
from tests.bench import bodies
from tests.bench.memory import fill, member_of

SIZES = {"4 KB": 4 * 1024, "16 KB": 16 * 1024, "100 KB of nothing but text": 100 * 1024}
LOOKS = 200
KEPT = 200


def address(text: str) -> Address:
    """An address that can be read."""
    found = parse_address(text)
    assert found is not None
    return found


BERLIN = address("berlin@lists.example.test")
POLICY = Policy(
    (MailingList("berlin", BERLIN, Manager.MAILMAN3, "Berlin", "x@example.test"),),
    list_domains=frozenset({"lists.example.test"}),
    remember=Remember.ALL,
)


async def _no_post(_message_id: str, _when: datetime) -> bool:
    return False


def mail(number: int, sender: str, to: Address, octets: int) -> Submission:
    """A mail whose second half is quoted; each begins elsewhere in the same prose."""
    prose = bodies._prose(octets + 4096)
    start = number * 97 % 4096
    text = prose[start : start + octets]
    half = len(text) // 2
    quote = Passage(Voice.QUOTED, text[half:], author=address("quoted@example.test"))
    message = Message(
        message_id=f"<{number}@x>", authors=(address(sender),), destinations=(to,),
        passages=(Passage(Voice.OWN, text[:half]), quote),
    )  # fmt: skip
    return Submission(str(number), Account(sender, address(sender)), (to,), message, datetime.now(UTC), octets)


async def measure(folder: Path, mails: int, members: int) -> None:
    """Fill the memory, look, keep, and print."""
    state = folder / "state"
    await fill(state, mails=mails, of_a_member=mails // members)
    store = await SQLiteMemory.open(state / "memory.sqlite3", lambda: datetime.now(UTC))
    keys, public = KeyFolder(state / "keys", "private"), KeyFolder(state / "keys", "public")
    origins = Origins(store, keys, public, lambda: POLICY, is_post=_no_post)
    chance = random.Random(15)
    print(f"{mails:,} private mails of {members} members\n")
    print(f"{'to a list, half of it quoted':<32}{'p50 ms':>8}{'p99 ms':>8}{'most ms':>8}")
    for title, octets in SIZES.items():
        took = []
        for number in range(LOOKS + 10):
            submission = mail(number, member_of(chance.randrange(members)), BERLIN, octets)
            began = time.perf_counter()
            await origins.trace(submission, POLICY, Evidence())
            took.append((time.perf_counter() - began) * 1000)
        took = sorted(took[10:])
        print(f"{title:<32}{took[LOOKS // 2]:>8.2f}{took[LOOKS * 99 // 100]:>8.2f}{took[-1]:>8.2f}")
    print(f"\n{'kept, 4 KB':<32}{'CPU ms':>8}")
    for title, to in (("a post", BERLIN), ("a private mail", address("member1@example.test"))):
        sent = [mail(number, member_of(number % members), to, 4096) for number in range(KEPT)]
        traced = [await origins.trace(each, POLICY, Evidence()) for each in sent]
        began = time.process_time()
        for each, known in zip(sent, traced, strict=True):
            origins.keep(each, POLICY, known)
        await origins.settle()
        print(f"{title:<32}{(time.process_time() - began) * 1000 / KEPT:>8.2f}")
    (size,) = store._reader.execute("SELECT avg(length(fingerprints)) FROM mails WHERE flags = 0").fetchone()
    print(f"\nfingerprints of a private mail in one mailbox: {size:.0f} octets")
    await store.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.looking", description=__doc__)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="smtpguard-bench-") as folder:
        asyncio.run(measure(Path(folder), options.mails, options.members))


if __name__ == "__main__":
    main()
