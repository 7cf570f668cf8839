"""What clients tried to send, and what became of it: the one judge of all faults.

Each mail carries its number. A client tries each mail once, so a second copy of it is one that the guard has made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from smtpguard.answers.token import parse_token
from smtpguard.seal import hold_id
from tests.loopback.fake_upstream import FakeUpstream, Message

_NUMBER = re.compile(rb"Paper (\d{6})")
_REPLY_TO = re.compile(rb"(?im)^Reply-To:\s*<?([^>\s]+)>?")
WAITING = ("asking", "held", "sending")
# After these a held mail need neither wait nor be at the outbox; the last is no answer, but the time that was over.
DECIDED = ("DISCARD", "BACK", "EXPIRED")


@dataclass
class Mail:
    """One mail that a member tried to send. `code` is the reply to its content, 0 if there was none; `word` the answer
    that was begun for it, and `answered` the reply to that. `words` is how often its sender has said it: what the mail
    server brings again is said once."""

    number: int
    member: str
    holds: bool
    content: bytes = field(repr=False)
    code: int = 0
    word: str = ""
    answered: int = 0
    words: int = 0
    # How often it may be at the outbox: once, and once more for each death between the dot and the mark.
    copies: int = 1


@dataclass
class Account:
    """One row of the table: what a fault has cost."""

    fault: str
    tries: int = 0
    mails: int = 0
    lost: int = 0
    duplicated: int = 0
    leaked: int = 0
    integrity: int = 0  # databases that were not whole
    wrong: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def good(self) -> bool:
        """True if nothing was lost, doubled, leaked, broken or otherwise wrong."""
        return not (self.lost or self.duplicated or self.leaked or self.integrity or self.wrong)


class Ledger:
    """All mails of one fault."""

    def __init__(self) -> None:
        self.mails: dict[int, Mail] = {}
        self.answers = 0
        self._notices: dict[int, str] = {}
        self._seen = 0

    def new(self, member: str, recipients: Iterable[str], *, holds: bool, words: int = 30) -> Mail:
        """A mail with a number of its own."""
        number = len(self.mails)
        text = " ".join(f"w{number}x{each}" for each in range(words))
        content = (
            f"From: <{member}>\r\nTo: {', '.join(recipients)}\r\nSubject: Paper {number:06}\r\n"
            f"Message-ID: <paper.{number}@client.example.test>\r\n\r\n{text}\r\n..a line with a dot\r\n"
        )
        self.mails[number] = mail = Mail(number, member, holds, content.encode())
        return mail

    def new_answer(self, mail: Mail, address: str, word: str) -> bytes:
        """An answer that is not like any other."""
        self.answers += 1
        mail.word, mail.words = word, mail.words + 1
        return (
            f"From: <{mail.member}>\r\nTo: <{address}>\r\nSubject: Re: it\r\n"
            f"Message-ID: <answer.{self.answers}@client.example.test>\r\n\r\n{word}\r\n"
        ).encode()

    def notices(self, out: FakeUpstream) -> dict[int, str]:
        """The answer address of each mail whose notice was taken."""
        for each in out.messages[self._seen :]:
            self.take_notice(each)
        self._seen = len(out.messages)
        return self._notices

    def take_notice(self, message: Message) -> None:
        """If it is a notice, it can be answered from now on."""
        address = answer_address(message)
        if address is not None:
            self._notices[number_of(message)] = address

    def allow_second_copies(self, rows: Mapping[bytes, str], out: FakeUpstream) -> None:
        """After a death: what was found in `sending` and had reached the outbox may come there once more."""
        there = Counter(number_of(each) for each in out.arrived if not is_own(each))
        for number, address in self.notices(out).items():
            if rows.get(row_id(address)) == "sending" and there[number] == self.mails[number].copies:
                self.mails[number].copies += 1

    def allow_copies_of(self, killed: Collection[bytes], out: FakeUpstream) -> None:
        """After the death of a worker that had these rows in `sending`: each of them may come once more."""
        for number, address in self.notices(out).items():
            self.mails[number].copies += row_id(address) in killed

    def untold(self, out: FakeUpstream, rows: Mapping[bytes, str] | None = None) -> list[int]:
        """What has come more than once, and no letter has said so to its sender since the last copy but one: before the
        last, or as its result. With `rows` only what is decided by now; of the others somebody may yet be told."""
        places: dict[int, list[int]] = {}
        said: dict[int, int] = {}
        for place, each in enumerate(out.arrived):
            if not is_own(each):
                places.setdefault(number_of(each), []).append(place)
            elif each.reply.startswith(b"2") and is_unsure(each):
                said[number_of(each)] = place
        twice = (number for number, its in places.items() if len(its) > 1 and said.get(number, -1) < its[-2])
        waits = {
            number for number, address in self.notices(out).items() if (rows or {}).get(row_id(address)) in WAITING
        }
        return [number for number in twice if number not in waits]

    def twice(self, out: FakeUpstream) -> int:
        """How many copies have come beside the first of each."""
        numbers = [number_of(each) for each in out.arrived if not is_own(each)]
        return len(numbers) - len(set(numbers))

    def judge(self, account: Account, up: FakeUpstream, out: FakeUpstream, rows: Mapping[bytes, str]) -> None:
        """Count into `account`; `rows` are states by id, as the files say them now."""
        passed, released = (_by_number(each.messages) for each in (up, out))
        passed_or_not, released_or_not = (_by_number(each.arrived) for each in (up, out))
        notices, untold = self.notices(out), self.untold(out)
        account.mails += len(self.mails)
        for number, mail in self.mails.items():
            ups, outs = passed_or_not.get(number, []), released_or_not.get(number, [])
            address = notices.get(number)
            waits = address is not None and rows.get(row_id(address)) in WAITING
            decided = mail.word in DECIDED
            # A 250 is a receipt.
            if mail.code == 250 and not (
                released.get(number) or waits or decided if mail.holds else passed.get(number)
            ):
                _wrong(account, mail, "lost")
            if mail.word == "SEND" and mail.answered == 250 and not released.get(number):
                _wrong(account, mail, "lost")
            if any(each.content != mail.content for each in (*ups, *outs)):
                _wrong(account, mail, "lost")
            # A second copy: after a death between dot and mark, by another word of its sender's, who is told.
            too_many = len(outs) > min(mail.copies, max(mail.words, 1)) or number in untold
            if len(ups) > 1 or too_many or (mail.code >= 400 and passed.get(number)):
                _wrong(account, mail, "duplicated")
            # Unconfirmed is unsent.
            if (ups if mail.holds else outs) or (outs and mail.word != "SEND"):
                _wrong(account, mail, "leaked")


def _wrong(account: Account, mail: Mail, how: str) -> None:
    setattr(account, how, getattr(account, how) + 1)
    account.wrong.append(f"{how}: {mail!r}")


def _by_number(messages: Iterable[Message]) -> dict[int, list[Message]]:
    found: dict[int, list[Message]] = {}
    for each in messages:
        if not is_own(each):
            found.setdefault(number_of(each), []).append(each)
    return found


def is_own(message: Message) -> bool:
    """True for a mail of the guard's own."""
    return message.mail.startswith(b"FROM:<>")


def is_unsure(message: Message) -> bool:
    """True for a letter that says of a mail that it may have gone out, or twice."""
    return is_own(message) and b"may have gone out" in b" ".join(message.content.split())


def asks_again(message: Message) -> bool:
    """True for the letter that tells of a mail that may have gone out, and that waits for another word."""
    return is_unsure(message) and b"answer the notice again" in b" ".join(message.content.split())


def number_of(message: Message) -> int:
    """The number of the mail that this is, or that it is about; -1 if it has none."""
    found = _NUMBER.search(message.content)
    return int(found[1]) if found else -1


def answer_address(message: Message) -> str | None:
    """Where a notice is to be answered; None for other mail."""
    found = _REPLY_TO.search(message.content) if is_own(message) else None
    return found[1].decode() if found and b"+" in found[1] else None


def row_id(address: str) -> bytes:
    """The id of the row that the code in this answer address belongs to."""
    token = parse_token(address.partition("@")[0].partition("+")[2])
    assert token is not None, "a notice whose code cannot be read"
    return hold_id(token.octets)
