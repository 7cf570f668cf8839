"""What the client reads when the guard itself decides about a mail: held, refused, not now.

ASCII, one line of at most 512 octets, the essential words in it: some mail programs show only the last line of a
reply, and nearly all hide the text behind a 250 (SEMANTICS, below the table of 90-xx).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpguard.mail.reply import Reply
from smtpguard.verdict import Finding, Verdict

# RFC 5321, 4.5.3.1.5: a reply line has at most 512 octets with code and CRLF.
REPLY_OCTETS_MAX = 512
# Lists that a reason names: a hundred of them would push the words that matter off the end of the line.
NAMED_LISTS_MAX = 4

# By row: the reason of a refusal, naming lists by id.
_REASONS: Mapping[str, str] = {
    "11-02": "it would take words from a private mail to {lists} (rule 11)",
    "11-05": "it would take words of others from a private talk to {lists} (rule 11)",
    "11-07": "it would take an answer to a private mail to {lists} (rule 11)",
    "11-08": "it would take a private mail to {lists} (rule 11)",
    "11-09": "it quotes words to {lists} that no list is known to have had (rule 11)",
    "11-10": "it quotes words of unknown origin to {lists} (rule 11)",
    "11-14": "it would take words to {lists} whose author has asked not to pass them on (rule 11)",
    "11-16": "it would take a private mail to {lists} (rule 11)",
    "11-18": "it passes on something to {lists} that cannot be looked into (rule 11)",
    "11-20": "it is encrypted, and most of {lists} could not read it (rule 11)",
    "12-02": "it is addressed to {count} lists ({lists}), please choose one (rule 12)",
    "12-04": "it is addressed to {suggested} and to parts of it ({lists}), please choose one (rule 12)",
    "12-05": "it is addressed to parts of {suggested} ({lists}), one mail there reaches all (rule 12)",
    "12-08": "only some may post to the list {lists}{instead} (rule 12)",
    "12-10": "the list {lists} is only in Bcc (rule 12)",
    "12-12": "nearly the same text went to another list before {lists}, please choose one (rule 12)",
    "12-19": "the thread began on {suggested}, and the answer goes to {lists} (rule 12)",
    "12-22": "the thread went to {suggested} only, and the answer goes to {lists} (rule 12)",
    "12-24": "it is a command for the list server, not for the readers of {lists} (rule 12)",
    "12-25": "it would be the first mail of this account to {lists} (rule 12)",
    "12-28": "it goes to a desk and to the list {lists} as well (rule 12)",
    "90-07": "it is too large to be checked to its end on its way to {lists} (rule 11)",
    "90-11": "it passes something on to {lists} in a broken form (rule 11)",
}
# The same where nothing of the mail may be named (T-42).
_DISCREET_REASONS: Mapping[str, str] = {
    "11-02": "it would pass on words from a private mail (rule 11)",
    "11-03": "it would take others into a private talk (rule 11)",
    "11-05": "it would pass on words of others from a private talk (rule 11)",
    "11-07": "it would take an answer to a private mail to a list (rule 11)",
    "11-08": "it would pass on a private mail (rule 11)",
    "11-09": "it quotes words that no list is known to have had (rule 11)",
    "11-10": "it quotes words of unknown origin to a list (rule 11)",
    "11-11": "it takes words of a closed list to others (rule 2)",
    "11-14": "it would pass on words whose author has asked not to (rule 11)",
    "11-16": "it would pass on a private mail (rule 11)",
    "11-18": "it passes on something to a list that cannot be looked into (rule 11)",
    "11-20": "it is encrypted, and goes to a list that could not read it (rule 11)",
    "11-24": "it would take words from a private mail out of the organisation (rules 2 and 11)",
    "12-02": "it is addressed to more than one list, please choose one (rule 12)",
    "12-04": "it is addressed to a list and to a part of it, please choose one (rule 12)",
    "12-05": "it is addressed to parts of one list, which reaches them all (rule 12)",
    "12-08": "only some may post to that list (rule 12)",
    "12-10": "a list is only in Bcc (rule 12)",
    "12-12": "nearly the same text went to another list before (rule 12)",
    "12-17": "it takes mail of a closed list to another list (rules 2 and 12)",
    "12-19": "it takes a thread to further lists (rule 12)",
    "12-20": "it takes a thread out of a closed list to another list (rules 2 and 12)",
    "12-22": "it takes a thread to a list that it was kept off (rule 12)",
    "12-23": "its subject belongs to another list (rule 12)",
    "12-24": "it is a command for the list server (rule 12)",
    "12-25": "it would be the first mail of this account to that list (rule 12)",
    "12-26": "it shows many personal addresses, Bcc or a list would not (rule 7)",
    "12-27": "it is one of many mails to one thread within a short time (rules 4 and 5)",
    "12-28": "it goes to a list and to a desk (rule 12)",
    "12-29": "its words belong to another list (rule 12)",
    "90-07": "it is too large to be checked to its end on its way to a list (rule 11)",
    "90-11": "it passes something on to a list in a broken form (rule 11)",
}

_NOT_PRINTABLE = re.compile(r"[^ -~]")

# The sealed copy is committed and the notice is taken.
HELD = Reply.of(250, "2.0.0 NOT SENT YET: please answer the notice in your mailbox")
# Own trouble (store, outbox, keys): the client keeps the mail and tries again.
NOT_NOW = Reply.of(451, "4.3.0 Not sent: the mail check has trouble of its own, please try again later")
# 90-17.
CARRIES_CODE = Reply.of(550, "5.7.1 Not sent: it contains the code of a waiting mail")
# 90-10: the notice was refused for good.
NO_NOTICE = Reply.of(550, "5.7.1 Not sent: it would have to wait for you, and we could not write to your mailbox")
# SEMANTICS c6: what the outbox could not carry later is refused now.
NOT_CARRIED = Reply.of(554, "5.6.7 Not sent: it would have to wait for you, and could not be sent later in this form")
# An answer has had its effect.
ANSWERED = Reply.of(250, "2.0.0 Thank you, your answer has been read; you get a mail about it")
# An answer that came in automatically has no effect and no answer.
IGNORED = Reply.of(250, "2.0.0 Ok")
# Unknown code, wrong account and undecodable code get one and the same words.
UNKNOWN_CODE = Reply.of(550, "5.1.1 No mail is waiting under this code")
# More unknown codes than limits.wrong_codes_per_minute: a right one is served all the same (T-25).
TOO_MANY_CODES = Reply.of(450, "4.7.1 Too many unknown codes, please try again in a minute")
# Somebody else's answer to the same mail is being worked on, or the mail server refuses for now.
ANSWER_LATER = Reply.of(451, "4.3.0 Your mail is still waiting; please send your answer again in a minute")
# The final dot of a release was sent, but its fate is not known or could not be written down.
ANSWER_UNSURE = Reply.of(451, "4.3.0 Your mail may have gone out; please ask again in a minute what became of it")
# The right code, but the key of its day is lost.
CANNOT_OPEN = Reply.of(550, "5.7.0 Your mail was not sent and cannot be opened any more; please use your own copy")
# Letters to postmaster@ and abuse@ of the guard domain have been handed on.
LETTER_TAKEN = Reply.of(250, "2.0.0 Ok")


def refused(verdict: Verdict, *, discreet: bool = False) -> Reply:
    """The reply for a verdict that refuses: the reasons, and why nobody was asked. `discreet` for a client that writes
    it into a log beside the sender: nothing of the mail is named (T-42).
    """
    reasons = _reasons(verdict, discreet=discreet)
    match verdict.decided_by:
        case "90-08":
            return _line(552, f"5.3.4 Not sent: too large to wait for your answer, and {reasons}")
        case "90-01" | "90-02":
            return _line(550, f"5.7.1 Not sent: an automatic mail cannot be asked about, and {reasons}")
        case "90-05":
            return _line(550, f"5.7.1 Not sent: {reasons}; this account has no mailbox where we could ask")
        case "90-06":
            return _line(550, f"5.7.1 Not sent: {reasons}; it came without a login, so nobody can be asked")
        case _:
            return _line(550, f"5.7.1 Not sent: {reasons}")


def asked_too_often(verdict: Verdict, *, discreet: bool = False) -> Reply:
    """The reply for a mail that would be held, if notices of its kind had not told too much within an hour (11-24)."""
    reasons = _reasons(verdict, discreet=discreet)
    return _line(550, f"5.7.1 Not sent: too many of your mails had to be asked about within an hour, and {reasons}")


def asked_too_often_today(verdict: Verdict, *, discreet: bool = False) -> Reply:
    """The reply for a mail that would be held, if its account had not got all notices of a day (90-08)."""
    reasons = _reasons(verdict, discreet=discreet)
    return _line(550, f"5.7.1 Not sent: too many of your mails had to be asked about today, and {reasons}")


def too_much_waits(verdict: Verdict, *, discreet: bool = False) -> Reply:
    """The reply for a mail that would be held, if not so much of its account were waiting (90-08). A 4xx: it can wait
    when its sender has answered what waits."""
    reasons = _reasons(verdict, discreet=discreet)
    return _line(452, f"4.2.2 Not sent: too many of your mails wait for your answers already, and {reasons}")


def _reasons(verdict: Verdict, *, discreet: bool) -> str:
    reason = _discreet_reason if discreet else _reason
    return "; ".join(dict.fromkeys(reason(each) for each in verdict.findings))


def _reason(finding: Finding) -> str:
    more = len(finding.lists) - NAMED_LISTS_MAX
    lists = ", ".join(finding.lists[:NAMED_LISTS_MAX]) + (f" and {more} more" if more > 0 else "")
    words = _REASONS.get(finding.id, _DISCREET_REASONS.get(finding.id, "it could not be examined"))
    if finding.rule == 11 and not lists:
        lists = "others"
    discussion = finding.facts.get("discussion")
    instead = f"; for everybody there is the list {discussion}" if discussion else ""
    return words.format(lists=lists, count=len(finding.lists), suggested=finding.suggested or "", instead=instead)


def _discreet_reason(finding: Finding) -> str:
    return _DISCREET_REASONS.get(finding.id, "it could not be examined")


def _line(code: int, text: str) -> Reply:
    room = REPLY_OCTETS_MAX - len("550 \r\n")
    return Reply.of(code, _NOT_PRINTABLE.sub("?", text)[:room])
