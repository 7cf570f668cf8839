"""Odd mail that is not part of the project, and the project's own hostile mails: each is read as `serve` reads it, its
passages are looked for, and it is judged; nothing may raise (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/torture.py [--names]
Prints figures only; with --names also what a file that raised is called. No text of a mail is printed. Ends with 1 if
anything raised, or took more memory than any mail may.
"""

from __future__ import annotations

import os
import re
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from smtpguard.evidence import NOTHING_KNOWN
from smtpguard.explain import explain
from smtpguard.judgement import judge
from smtpguard.lists import Audience, MailingList, Manager
from smtpguard.mail.address import Address
from smtpguard.mail.content import WireContent, stuffed
from smtpguard.mail.message import Account, Message, Submission
from smtpguard.policy import Policy, Remember
from smtpguard.reading import NoticeSigns, look_into, open_content
from smtpguard.verdict import Action
from tests.corpus.forwards import labels, members, row
from tests.mail.hostile import SMALL, hostile_mails

# Of reading any one message (tests/mail/test_hostile.py).
MEGABYTES_MAX = 100.0
# A mailbox file begins each of its mails so.
_FROM_LINE = re.compile(rb"^From \S.*\r?\n", re.MULTILINE)
_DAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


def _a_list(name: str, audience: Audience) -> MailingList:
    address = Address(name, "lists.example.test")
    return MailingList(name, address, Manager.MAILMAN3, name, "x@example.test", audience=audience)


OPEN, CLOSED = _a_list("berlin", Audience.MEMBERS), _a_list("board", Audience.CLOSED)
BEN = Address("ben", "elsewhere.example")
ANNA = Account("anna@example.test", Address("anna", "example.test"))
POLICY = Policy(
    (OPEN, CLOSED),
    list_domains=frozenset({"lists.example.test"}),
    member_domains=frozenset({"example.test"}),
    guard_address=Address("mailcheck", "check.example.test"),
    remember=Remember.ALL,
)
# To a list, to two of them, to a person, and to both.
RECIPIENTS = ((OPEN.address,), (OPEN.address, CLOSED.address), (BEN,), (CLOSED.address, BEN))


@dataclass(slots=True)
class Tally:
    """What became of the mails of one set."""

    mails: int = 0
    passages: int = 0
    cut_short: int = 0
    malformed: int = 0
    actions: Counter[Action] = field(default_factory=Counter)
    raised: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "none")
    largest: tuple[float, str] = (0.0, "none")


def read(octets: bytes) -> Message:
    """The message in `octets`, stuffed and unstuffed as content is on its way, with a look for codes."""
    signs = NoticeSigns(POLICY.guard_address)
    return look_into(open_content(WireContent(stuffed(octets)), signs, POLICY.bounds), signs)[0]


def judged(octets: bytes) -> tuple[Message, list[Action]]:
    """Read, and judged for each of RECIPIENTS; what `explain` says of it is put into words, too."""
    message = read(octets)
    mails = [Submission("1", ANNA, to, message, _DAY, len(octets)) for to in RECIPIENTS]
    # Not `examine`, which never raises.
    actions = [judge(each, NOTHING_KNOWN, POLICY).action for each in mails]
    explain("mail", octets, ANNA, [OPEN.address.normal], POLICY, _DAY).as_words()
    return message, actions


def tally(mails: Mapping[str, bytes]) -> Tally:
    """Judge all of `mails`. First with the clock, then with an eye on memory, which slows it."""
    done = Tally(mails=len(mails))
    for name, octets in mails.items():
        start = time.process_time()
        try:
            message, actions = judged(octets)
        except Exception as error:
            done.raised.append(f"{name}: {type(error).__name__}")
            continue
        done.slowest = max(done.slowest, (time.process_time() - start, name))
        done.passages += len(message.passages)
        done.cut_short += message.cut_short
        done.malformed += message.malformed
        done.actions.update(actions)
    for name, octets in mails.items():
        done.largest = max(done.largest, (_peak(octets), name))
    return done


def _peak(octets: bytes) -> float:
    """Megabytes that reading takes at most, besides the octets themselves."""
    tracemalloc.start()
    try:
        read(octets)
        return tracemalloc.get_traced_memory()[1] / 1e6
    except Exception:
        # Counted already.
        return 0.0
    finally:
        tracemalloc.stop()


def pieces(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file of the set as one mail, and each mail of a mailbox file once more by itself."""
    mailboxes = {each["file"] for each in labels(folder) if each.get("mbox")}
    for name, octets in members(folder).items():
        yield name, octets
        if name in mailboxes:
            for number, mail in enumerate(_FROM_LINE.split(octets)[1:]):
                yield f"{name}#{number}", mail


def told(title: str, done: Tally) -> bool:
    """Print a block of figures; true if all went well."""
    print(f"{title}: {done.mails} mails, {done.passages} passages")
    row("raised", str(len(done.raised)))
    row("read leniently; cut short", f"{done.malformed}; {done.cut_short}")
    row("verdicts", ", ".join(f"{each.value} {count}" for each, count in sorted(done.actions.items(), key=str)))
    row("slowest, read twice and judged five times", f"{1000 * done.slowest[0]:.1f} ms ({done.slowest[1]})")
    row("most memory for reading", f"{done.largest[0]:.1f} MB ({done.largest[1]})")
    if "--names" in sys.argv[1:]:
        print("".join(f"    {each}\n" for each in done.raised), end="")
    return not done.raised and done.largest[0] <= MEGABYTES_MAX


def main() -> int:
    """Print the figures; 0 also where there is nothing to measure."""
    place = os.environ.get("SMTPGUARD_CORPORA", "")
    if not place:
        print("skipped: SMTPGUARD_CORPORA is not set (see tests/corpus/README.md)")
        return 0
    well = told("files of the MIME set", tally(dict(pieces(Path(place) / "mime"))))
    well &= told("hostile mails", tally({each.name: each.octets() for each in hostile_mails(SMALL)}))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
