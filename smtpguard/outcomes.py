"""What the client reads when the guard itself decides about a mail: held, refused, not now; in the member's language.

ASCII, one line of at most 512 octets, the essential words in it: some mail programs show only the last line of a
reply, and nearly all hide the text behind a 250 (SEMANTICS, below the table of 90-xx). The words are in the texts
files, section `refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from smtpguard.mail.message import Account
from smtpguard.mail.reply import Reply
from smtpguard.notices.folding import folded
from smtpguard.notices.languages import Language
from smtpguard.notices.site import Site
from smtpguard.verdict import RULE_BOTH, Finding, Verdict

# RFC 5321, 4.5.3.1.5: a reply line has at most 512 octets with code and CRLF.
REPLY_OCTETS_MAX = 512
# Lists that a reason names: a hundred of them would push the words that matter off the end of the line.
NAMED_LISTS_MAX = 4

# Rows of both rules; the rules page has them below this one.
_RULE_OF: Mapping[str, int] = {"90-07": 11, "90-11": 11}
_NOT_PRINTABLE = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose mail program shows a reply: the language, and where the rules are written, if there is a page.

    `discreet` for a client that writes replies into a log beside the sender: nothing of the mail is named (T-42).
    """

    language: Language
    rules_page: str | None = None
    discreet: bool = False

    @classmethod
    def of(cls, site: Site, account: Account | None, *, discreet: bool = False) -> Reader:
        """The reader behind `account`; without one, or without a language of its own, the site's first counts."""
        language = site.texts.of(account.language if account is not None else None)
        return cls(language, site.rules_page, discreet)

    def said(self, name: str, **facts: object) -> str:
        """The text `name` of the section `refusals`, in ASCII."""
        text = folded(self.language.text(f"refusals.{name}", **facts), self.language.code)
        return _NOT_PRINTABLE.sub("?", " ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Phrase:
    """One thing that the guard says to a client: SMTP code, enhanced code (RFC 3463) and the name of its text."""

    code: int
    status: str
    name: str

    def to(self, reader: Reader) -> Reply:
        """The reply, in the reader's language."""
        return self._reply(reader.said(self.name))

    def because(self, verdict: Verdict, reader: Reader) -> Reply:
        """The reply with the reasons of `verdict`, as many words of them as there is room for; behind them, if there is
        room, where the rule is written."""
        said = ""
        for reasons in _reasons(verdict.findings, reader):
            said = reader.said(self.name, reasons=reasons)
            if len(said) <= self._room:
                break
        rule = _rule(verdict.findings)
        if reader.rules_page is not None and rule is not None:
            linked = reader.said("see", said=said, address=f"{reader.rules_page}#{rule}")
            said = linked if len(linked) <= self._room else said
        return self._reply(said)

    @property
    def _room(self) -> int:
        return REPLY_OCTETS_MAX - len(f"{self.code} {self.status} \r\n")

    def _reply(self, said: str) -> Reply:
        return Reply.of(self.code, f"{self.status} {said[: self._room]}")


# The sealed copy is committed and the notice is taken.
HELD = Phrase(250, "2.0.0", "held")
# Own trouble (store, outbox, keys): the client keeps the mail and tries again.
NOT_NOW = Phrase(451, "4.3.0", "not_now")
# 90-17.
CARRIES_CODE = Phrase(550, "5.7.1", "carries_code")
# 90-10: the notice was refused for good.
NO_NOTICE = Phrase(550, "5.7.1", "no_notice")
# 90-16, T-26.
GUARD_NOT_ALONE = Phrase(550, "5.7.1", "guard_not_alone")
# SEMANTICS c6: what the outbox could not carry later is refused now.
NOT_CARRIED = Phrase(554, "5.6.7", "not_carried")
# 11-24, T-14: notices of its kind have told too much within an hour.
ASKED_TOO_OFTEN = Phrase(550, "5.7.1", "asked_too_often")
# 90-08: the account has got all notices of a day.
ASKED_TOO_OFTEN_TODAY = Phrase(550, "5.7.1", "asked_too_often_today")
# 90-08: as much of the account waits as may. A 4xx: it can wait until its sender has answered what waits.
TOO_MUCH_WAITS = Phrase(452, "4.2.2", "too_much_waits")
# An answer has had its effect.
ANSWERED = Phrase(250, "2.0.0", "answered")
# An answer that came in automatically has no effect and no answer.
IGNORED = Reply.of(250, "2.0.0 Ok")
# Unknown code, wrong account and undecodable code get one and the same words.
UNKNOWN_CODE = Phrase(550, "5.1.1", "unknown_code")
# More unknown codes than limits.wrong_codes_per_minute: a right one is served all the same (T-25).
TOO_MANY_CODES = Phrase(450, "4.7.1", "too_many_codes")
# Somebody else's answer to the same mail is being worked on, or the mail server refuses for now.
ANSWER_LATER = Phrase(451, "4.3.0", "answer_later")
# The final dot of a release was sent, but its fate is not known or could not be written down.
ANSWER_UNSURE = Phrase(451, "4.3.0", "answer_unsure")
# The right code, but the key of its day is lost.
CANNOT_OPEN = Phrase(550, "5.7.0", "cannot_open")
# Letters to postmaster@ and abuse@ of the guard domain have been handed on.
LETTER_TAKEN = Reply.of(250, "2.0.0 Ok")

_REFUSED = Phrase(550, "5.7.1", "plain")
# Why nobody was asked, by the row that decided so.
_NOT_ASKED: Mapping[str, Phrase] = {
    "90-01": Phrase(550, "5.7.1", "automatic"),
    "90-02": Phrase(550, "5.7.1", "automatic"),
    "90-05": Phrase(550, "5.7.1", "no_mailbox"),
    "90-06": Phrase(550, "5.7.1", "no_login"),
    "90-08": Phrase(552, "5.3.4", "too_large"),
}


def refused(verdict: Verdict, reader: Reader) -> Reply:
    """The reply for a verdict that refuses: the reasons, and why nobody was asked."""
    return _NOT_ASKED.get(verdict.decided_by, _REFUSED).because(verdict, reader)


def _reasons(findings: Sequence[Finding], reader: Reader) -> Iterator[str]:
    """All reasons in one line, and the same in ever fewer words: without names, then without the last ones."""
    if not reader.discreet:
        yield "; ".join(dict.fromkeys(_reason(each, reader) for each in findings))
    short = tuple(dict.fromkeys(_discreet_reason(each, reader) for each in findings))
    for number in range(len(short), 0, -1):
        yield "; ".join(short[:number])


def _reason(finding: Finding, reader: Reader) -> str:
    lists = ", ".join(finding.lists[:NAMED_LISTS_MAX])
    if (more := len(finding.lists) - NAMED_LISTS_MAX) > 0:
        lists = reader.said("more", names=lists, count=more)
    return reader.said(
        _row(finding, reader),
        lists=lists or reader.said("others"),
        count=len(finding.lists),
        suggested=finding.suggested or "",
        discussion=finding.facts.get("discussion", ""),
    )


def _discreet_reason(finding: Finding, reader: Reader) -> str:
    # No fact goes in, so that none can come out.
    name = f"{finding.id}_discreet"
    return reader.said(name if reader.language.has(f"refusals.{name}") else _row(finding, reader))


def _row(finding: Finding, reader: Reader) -> str:
    return finding.id if reader.language.has(f"refusals.{finding.id}") else "unexamined"


def _rule(findings: Sequence[Finding]) -> int | None:
    """The rule of the first row that has one: 11 or 12, as the rules page is ordered."""
    rules = (_RULE_OF.get(each.id, each.rule) for each in findings)
    return next((each for each in rules if each != RULE_BOTH), None)
