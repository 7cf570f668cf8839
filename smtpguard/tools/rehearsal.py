"""The `examples` of list files, played through: what would happen to such a mail of an ordinary member?

They are a policy's test-suite. The judge is the one of `serve`, and the mail is real octets; the member is nobody's
poster, has posted nothing yet and is known to no rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from smtpguard.config.lists import ListFile
from smtpguard.config.loading import Loaded
from smtpguard.config.problems import Problem
from smtpguard.explain import Explanation, explain
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Account
from smtpguard.policy import Policy
from smtpguard.verdict import Action

# Nobody's login: an account map that knew it would be one for this purpose.
_LOGIN = "an-ordinary-member"
_DOMAIN = "example.invalid"
# Words that no rule knows, enough of them not to be taken for a list command (12-24).
_TEXT = "Good morning,\n\nthis text stands here so that the mail has one. It asks for nothing in particular.\n"
_FATES = {
    Action.PASS: "would pass",
    Action.HOLD: "would be held",
    Action.REFUSE: "would be refused",
    Action.LATER: "would be put off",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """One example: `number` counts from 0 within its file, `to` are addresses, `expect` is pass, hold or refuse."""

    list_id: str
    number: int
    to: tuple[str, ...]
    subject: str
    expect: str
    outcome: Explanation

    @property
    def as_expected(self) -> bool:
        """True if the mail fares as the file says."""
        return self.outcome.verdict.action.value == self.expect

    @property
    def fate(self) -> str:
        """What would happen, with the row: "would be held (12-02)"."""
        verdict = self.outcome.verdict
        counted = ", only counted" if verdict.observed and verdict.action is Action.PASS else ""
        return f"{_FATES[verdict.action]}{counted} ({verdict.decided_by})"

    @property
    def title(self) -> str:
        """The example in a few words."""
        return f'to {", ".join(self.to)}, subject "{self.subject}"'


def rehearse(loaded: Loaded, now: datetime, only: str | None = None) -> list[Scene]:
    """Play the examples of all files, or of the list `only`; none where the files have errors."""
    policy = loaded.policy
    if policy is None:
        return []
    chosen = (each for each in loaded.files if only in (None, each.id))
    return [scene for each in chosen for scene in _scenes(each, loaded, policy, now)]


def failures(loaded: Loaded, scenes: Sequence[Scene]) -> list[Problem]:
    """An error, with its place, for each example that does not fare as its file says."""
    files = {each.id: each for each in loaded.files}
    found = []
    for scene in scenes:
        if not scene.as_expected:
            text = f'this example expects "{scene.expect}", but such a mail {scene.fate}: {scene.outcome.row}'
            advice = "Correct the example, or the settings that it tests."
            found.append(files[scene.list_id].problem(("examples", scene.number), f"{text} {advice}"))
    return found


def _scenes(file: ListFile, loaded: Loaded, policy: Policy, now: datetime) -> Iterator[Scene]:
    if file.settings is None:
        return
    for number, each in enumerate(file.settings.examples):
        addresses = tuple(_address(word, policy) for word in each.to)
        account = _member(policy)
        if each.sender is not None and loaded.directory is not None:
            account = loaded.directory.account(each.sender)
        octets = _mail(addresses, each.subject, each.text or _TEXT)
        outcome = explain("example", octets, account, addresses, policy, now)
        yield Scene(file.id, number, addresses, each.subject, each.expect, outcome)


def _address(word: str, policy: Policy) -> str:
    """The address that `word` means: a list's id, the one it had before, or an address."""
    name = word.lower()
    known = policy.by_id.get(name) or next((one for one in policy.lists if (one.was or "").lower() == name), None)
    if known is not None:
        return known.address.normal
    address = parse_address(word)
    return word if address is None else address.normal


def _member(policy: Policy) -> Account:
    domain = policy.account_domain or _DOMAIN
    return Account(f"{_LOGIN}@{domain}", Address(_LOGIN, domain))


def _mail(to: Sequence[str], subject: str, text: str) -> bytes:
    """Octets with this To, Subject and text, as a mail program with SMTPUTF8 writes them (RFC 6532)."""
    header = (
        f"From: {_LOGIN}@{_DOMAIN}",
        f"To: {', '.join(to)}",
        f"Subject: {subject}",
        f"Message-ID: <example@{_DOMAIN}>",
        "Content-Type: text/plain; charset=utf-8",
    )
    return "\r\n".join((*header, "", *text.splitlines(), "")).encode("utf-8", "replace")
