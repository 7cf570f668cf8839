"""From findings to a verdict, in the order of SEMANTICS c1a. Pure: the same mail gets the same verdict."""

from __future__ import annotations

from collections.abc import Mapping

from smtpguard.checks import CHECKS, Check
from smtpguard.checks.crosspost import lists_addressed
from smtpguard.checks.hidden_list import hidden_lists
from smtpguard.evidence import Evidence
from smtpguard.mail.message import UNASKABLE, Submission
from smtpguard.policy import Kind, Policy
from smtpguard.verdict import Action, Finding, Verdict, in_order


def judge(submission: Submission, evidence: Evidence, policy: Policy, checks: Mapping[str, Check] = CHECKS) -> Verdict:
    """Decide what happens to `submission`.

    Exceptions of a check come out as they are: `examine` in the flow turns them into a hold.
    """
    exempt = exemption(submission, policy)
    if exempt is not None:
        return Verdict(Action.PASS, decided_by=exempt)
    findings = in_order([each for check in checks.values() for each in check(submission, evidence, policy)])
    if not findings:
        row, hints = _why_passed(submission, policy)
        return Verdict(Action.PASS, decided_by=row, hints=hints)
    return weigh(submission, findings, policy)


def exemption(submission: Submission, policy: Policy) -> str | None:
    """The row that lets a mail pass without a look at its content (c1a, steps 2 to 4), or None."""
    if submission.account is None:
        return "90-03"
    kinds = {policy.kind(each) for each in submission.recipients}
    if Kind.DESK in kinds and Kind.LIST not in kinds:
        return "11-25"
    if kinds and kinds <= {Kind.ROLE_MACHINE}:
        return "11-26"
    return None


def weigh(submission: Submission, findings: tuple[Finding, ...], policy: Policy) -> Verdict:
    """c1a, steps 7 to 11: what an alarm leads to for this sender and this size."""
    if submission.null_sender:
        return Verdict(Action.REFUSE, findings, "90-02")
    if submission.message.automatic is not None:
        return Verdict(Action.REFUSE, findings, "90-01")
    if submission.account is UNASKABLE:
        return Verdict(Action.REFUSE, findings, "90-06")
    if submission.account is None or submission.account.mailbox is None:
        return Verdict(Action.REFUSE, findings, "90-05")
    if submission.size > policy.hold_size:
        return Verdict(Action.REFUSE, findings, "90-08")
    return Verdict(Action.HOLD, findings, findings[0].id)


def _why_passed(submission: Submission, policy: Policy) -> tuple[str, tuple[str, ...]]:
    """The row that `explain` names for a mail without findings, and hints worth telling."""
    lists = lists_addressed(submission, policy)
    hints = ("12-11",) if hidden_lists(submission, policy) else ()
    posting_domains = {each.address.domain for each in policy.lists}
    unknown = (each for each in submission.recipients if policy.kind(each) is Kind.AT_LIST_DOMAIN)
    if any(each.domain in posting_domains for each in unknown):
        hints = (*hints, "at-list-domain")
    if len(lists) > 1:
        return "12-03", hints
    if len(lists) == 1:
        return "12-01", hints
    account = submission.account
    if account is not None and account.mailbox is not None:
        if account.mailbox in policy.desks:
            return "11-28", hints
        if all(each == account.mailbox for each in submission.recipients):
            return "11-27", hints
    return "11-01", hints
