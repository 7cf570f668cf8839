"""`smtpguard explain`: what would happen to a message, and why, in words or as JSON.

The same code decides as in `serve`; the live store is never opened (THREAT-MODEL T-16), so what only the memory knows
is not part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from smtpguard.accounts import Directory
from smtpguard.config.loading import Loaded
from smtpguard.config.problems import printable
from smtpguard.config.texts import shipped
from smtpguard.examination import examine
from smtpguard.grounds import Ground, Grounds, ways
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account, Message, Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.notices.reasons import reason
from smtpguard.policy import Policy
from smtpguard.rows import ROWS
from smtpguard.verdict import Action, Verdict

_OUTCOMES = {
    Action.PASS: "would be passed on to the mail server",
    Action.HOLD: "would be held, and its sender asked",
    Action.REFUSE: "would be refused",
    Action.LATER: "would be put off",
}
_HINTS = {"at-list-domain": "A recipient lies in a list domain but is no list we know; the mail server decides."}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message and what would happen to it. `file` is the name as given, `grounds` the lines of settings that
    mattered, `ways` what would let it pass."""

    file: str
    message: Message
    verdict: Verdict
    recipients: tuple[Address, ...]
    grounds: tuple[Ground, ...] = ()
    ways: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """The sentence of the row that decided."""
        return ROWS[self.verdict.decided_by]

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints, one line each."""
        return {
            "file": self.file,
            "action": self.verdict.action.value,
            "findings": [
                {"id": each.id, "rule": each.rule, "check": each.check, "facts": dict(each.facts)}
                for each in self.verdict.findings
            ],
            "passages": [
                {
                    "voice": each.voice.value,
                    "kind": each.kind.value if each.kind is not None else None,
                    "author": each.author.normal if each.author is not None else None,
                    "recipients": [address.normal for address in each.recipients],
                    "words": each.words,
                }
                for each in self.message.passages
            ],
            "decided_by": self.verdict.decided_by,
            "settings": [{"file": each.file, "line": each.line, "text": each.quoted} for each in self.grounds],
            "to_pass": list(self.ways),
        }

    def as_words(self) -> str:
        """The same for people: the outcome, the row that decided, every reason, who speaks where."""
        verdict = self.verdict
        lines = [f"{self.file}: {verdict.action.value}", f"  It {_OUTCOMES[verdict.action]}."]
        lines.append(f"  Decided by {verdict.decided_by}: {self.row}")
        for each in verdict.findings:
            told = " ".join(reason(each.id, each.facts, shipped().of(None)).split())
            lines.append(f"  {each.id} ({each.check}): {told[:1].upper()}{told[1:]}")
        lines += [f"  Only counted (on_alarm: observe): {each.id}: {ROWS[each.id]}" for each in verdict.observed]
        lines += [f"  Hint: {_HINTS.get(each) or ROWS[each]}" for each in verdict.hints]
        lines += [f"  Said in {each.words}" for each in self.grounds]
        lines += [f"  It would pass {each}." for each in self.ways]
        lines.append(f"  Recipients: {', '.join(each.normal for each in self.recipients) or 'none'}")
        for passage in self.message.passages:
            who = passage.author.normal if passage.author is not None else passage.author_name or "unknown"
            kind = f", {passage.kind.value}" if passage.kind is not None else ""
            author = "" if passage.voice.value in ("own", "signature") else f" by {who}"
            lines.append(f"  Passage: {passage.voice.value}{kind}{author}, {passage.words} words")
        lines += [f"  Could not be read: {each}" for each in self.message.defects]
        # What a mail or a file name brings in must not move the cursor of whoever reads this.
        return "\n".join(map(printable, lines))


def explain(
    file: str,
    octets: bytes,
    account: Account,
    to: Sequence[str],
    policy: Policy,
    arrived: datetime | None = None,
    loaded: Loaded | None = None,
) -> Explanation:
    """What would happen to the message `octets` from `account`. Without `to`, its To, Cc and Bcc serve as envelope.

    With `loaded`, the files that `policy` was made of, the explanation names the lines that mattered.
    """
    message = parse_message(octets, policy.bounds)
    recipients = tuple(policy.completed(each) for each in map(parse_address, to) if each is not None)
    if not recipients:
        recipients = tuple(dict.fromkeys((*message.destinations, *message.bcc)))
    submission = Submission(
        id="explain",
        account=account,
        recipients=recipients,
        message=message,
        arrived=arrived or datetime.now(UTC),
        size=len(octets),
    )
    verdict = examine(submission, policy)
    grounds = () if loaded is None else Grounds(loaded, policy).of(submission, verdict)
    return Explanation(file, message, verdict, recipients, grounds, ways(submission, verdict, policy))


def account_for(login: str | None, directory: Directory, octets: bytes) -> Account:
    """The account of `--account`, or for a message without one the author in its From: header."""
    if login:
        return directory.account(login, None)
    authors = parse_message(octets).authors
    return directory.account(authors[0].normal if authors else "", None)
