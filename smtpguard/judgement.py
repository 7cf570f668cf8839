"""From findings to a verdict, in the order of SEMANTICS c1a. Pure: the same mail gets the same verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smtpguard.checks import CHECKS, Check
from smtpguard.checks.burst import bursts
from smtpguard.checks.crosspost import lists_addressed, may_go_together
from smtpguard.checks.first_post import first_posts
from smtpguard.checks.fitting import fit_among, fit_elsewhere
from smtpguard.checks.hidden_list import hidden_lists
from smtpguard.checks.repeated_post import is_like
from smtpguard.checks.threads import was_together
from smtpguard.evidence import Evidence
from smtpguard.excuses import why_private_text_passes
from smtpguard.lists import ListKind, MailingList, OnAlarm
from smtpguard.mail.message import UNASKABLE, Submission, Voice
from smtpguard.passing import is_exempt, why_program_passes, why_words_pass
from smtpguard.policy import Kind, Policy
from smtpguard.verdict import Action, Finding, Verdict, in_order

# Rows about lists that stand side by side in one mail: silent where these lists may do so.
_SIDE_BY_SIDE = frozenset(("12-02", "12-04", "12-05", "12-19"))
_UMBRELLA = frozenset(("12-04", "12-05"))
# Rows about words: they may ask, never refuse (T-52).
_WORDS = frozenset(("12-23", "12-29"))


def judge(submission: Submission, evidence: Evidence, policy: Policy, checks: Mapping[str, Check] = CHECKS) -> Verdict:
    """Decide what happens to `submission`.

    Exceptions of a check come out as they are: `examine` in the flow turns them into a hold.
    """
    exempt = exemption(submission, policy)
    if exempt is not None:
        return Verdict(Action.PASS, decided_by=exempt)
    found = [each for check in checks.values() for each in check(submission, evidence, policy)]
    findings = settled(in_order(found), submission, evidence, policy) if found else ()
    if not findings:
        row, hints = _why_passed(submission, evidence, policy)
        return Verdict(Action.PASS, decided_by=row, hints=hints)
    if _is_admitted(submission, findings, policy):
        return Verdict(Action.PASS, decided_by="90-01")
    findings = _with_fitting_list(findings, submission, evidence, policy)
    return weigh(submission, tuple(_with_its_words(each, policy) for each in findings), policy)


def exemption(submission: Submission, policy: Policy) -> str | None:
    """The row that lets a mail pass without a look at its content (c1a, steps 2 to 4), or None."""
    if submission.account is None:
        return "90-03"
    kinds = {policy.kind(each) for each in submission.recipients}
    if Kind.DESK in kinds and not policy.lists_of(submission.recipients):
        return "11-25"
    if kinds and kinds <= {Kind.ROLE_MACHINE}:
        return "11-26"
    return None


def settled(
    findings: Sequence[Finding], submission: Submission, evidence: Evidence, policy: Policy
) -> tuple[Finding, ...]:
    """c1a, step 5: the findings that are left when those that others answer are taken away.

    12-04 and 12-05 replace 12-02 only where they name all of its lists: what a list says about alarms must not be lost
    because two others have an umbrella in common. 12-12 looks at pairs, not at the lists of this mail, and has done so.
    Of an encrypted answer to a private mail, 11-07 says more than 11-20.
    """
    lists = lists_addressed(submission, policy)
    silent: set[str] = set()
    if len(lists) > 1 and (
        was_together(tuple(each.id for each in lists), evidence) or may_go_together(lists, submission, policy)
    ):
        silent |= _SIDE_BY_SIDE
    if any(each.id in _UMBRELLA and set(each.lists).issuperset(one.id for one in lists) for each in findings):
        silent.add("12-02")
    if any(each.id == "11-07" and each.lists for each in findings):
        silent.add("11-20")
    return tuple(each for each in findings if each.id not in silent and not is_exempt(each, submission.message))


def weigh(submission: Submission, findings: tuple[Finding, ...], policy: Policy) -> Verdict:
    """c1a, steps 7 to 11: what an alarm leads to for its lists, this sender and this size."""
    observed = tuple(each for each in findings if _on_alarm(each, policy) is OnAlarm.OBSERVE)
    standing = tuple(each for each in findings if _on_alarm(each, policy) is not OnAlarm.OBSERVE)
    if not standing:
        return Verdict(Action.PASS, decided_by=findings[0].id, observed=observed)
    for each in standing:
        if each.id not in _WORDS and _on_alarm(each, policy) is OnAlarm.REFUSE:
            return Verdict(Action.REFUSE, standing, each.id, observed=observed)
    row = _why_not_asked(submission, policy)
    if row is None:
        return Verdict(Action.HOLD, standing, standing[0].id, observed=observed)
    if all(each.id in _WORDS for each in standing):
        return Verdict(Action.PASS, decided_by=row, observed=(*observed, *standing))
    return Verdict(Action.REFUSE, standing, row, observed=observed)


def _on_alarm(finding: Finding, policy: Policy) -> OnAlarm:
    """Step 7: the strictest of the lists that a finding names, the site's where it names none."""
    return policy.on_alarm_of(policy.by_id[each] for each in finding.lists)


def _why_not_asked(submission: Submission, policy: Policy) -> str | None:
    """Steps 8 to 10: the row because of which nobody can be asked about this mail, or None."""
    if submission.null_sender:
        return "90-02"
    if submission.message.automatic is not None:
        return "90-01"
    if submission.account is UNASKABLE:
        return "90-06"
    if submission.account is None or submission.account.mailbox is None:
        return "90-05"
    return "90-08" if submission.size > policy.hold_size else None


def _is_admitted(submission: Submission, findings: Sequence[Finding], policy: Policy) -> bool:
    """90-01: automatic mail of an account that the one list it goes to has named (`automatic`). Rule 11 stays."""
    account = submission.account
    if account is None or any(each.rule != 12 for each in findings):
        return False
    if submission.message.automatic is None and not account.automatic:
        return False
    lists = lists_addressed(submission, policy)
    return len(lists) == 1 and lists[0].takes_automatic(account)


def _with_fitting_list(
    findings: tuple[Finding, ...], submission: Submission, evidence: Evidence, policy: Policy
) -> tuple[Finding, ...]:
    """The findings, the first of rule 12 with the list that the mail's words fit, if no row suggests one by itself."""
    first = next((n for n, each in enumerate(findings) if each.rule == 12), None)
    if first is None or any(each.suggested for each in findings):
        return findings
    lists = policy.lists_of(submission.recipients)
    fit = fit_among(lists, submission, policy) if len(lists) > 1 else None
    if fit is None:
        fit = fit_elsewhere(lists_addressed(submission, policy), submission, evidence, policy)
    if fit is None:
        return findings
    facts = {**findings[first].facts, "fits": fit.words, "fits_address": str(fit.fitting.address)}
    fitted = replace(findings[first], facts=facts, suggested=fit.fitting.id)
    return (*findings[:first], fitted, *findings[first + 1 :])


def _with_its_words(finding: Finding, policy: Policy) -> Finding:
    """The finding, with the sentence that the suggested list's own file has for such mail (`say`)."""
    suggested = policy.by_id.get(finding.suggested) if finding.suggested is not None else None
    if suggested is None or suggested.say is None or finding.facts.get("say"):
        return finding
    return replace(finding, facts={**finding.facts, "say": suggested.say})


def _why_passed(submission: Submission, evidence: Evidence, policy: Policy) -> tuple[str, tuple[str, ...]]:
    """The row that `explain` names for a mail without findings, and hints worth telling."""
    lists = lists_addressed(submission, policy)
    hints = _hints(lists, submission, evidence, policy)
    if len(lists) > 1:
        return _why_together(lists, submission, policy), hints
    private = why_program_passes(submission, policy) or why_private_text_passes(submission, evidence, policy)
    if private is not None:
        return private, hints
    if len(lists) == 1:
        return _why_one_list(lists[0], submission, evidence, policy), hints
    account = submission.account
    if account is not None and account.mailbox is not None:
        if account.mailbox in policy.desks:
            return "11-28", hints
        if all(each == account.mailbox for each in submission.recipients):
            return "11-27", hints
    return why_words_pass(submission, evidence, policy) or "11-01", hints


def _why_together(lists: tuple[MailingList, ...], submission: Submission, policy: Policy) -> str:
    if policy.allowed(lists, submission.arrived):
        return "12-03"
    return "12-09" if may_go_together(lists, submission, policy) else "12-21"


def _why_one_list(addressed: MailingList, submission: Submission, evidence: Evidence, policy: Policy) -> str:
    """Of all the rows by which a mail to one list passes, the one that says most about this one."""
    account = submission.account
    alike = [each for each in evidence.earlier if is_like(each)]
    if any(addressed.id in each.lists for each in alike):
        return "12-16"
    if any(not each.taken for each in alike):
        return "12-13"
    if evidence.thread is not None and evidence.thread.home is not None:
        return "12-18" if evidence.thread.home == addressed.id else "12-20"
    if addressed.kind is ListKind.ANNOUNCE and account is not None and addressed.is_poster(account):
        return "12-07"
    if addressed.includes:
        return "12-06"
    forwarded = (each for each in submission.message.passages if each.voice is Voice.FORWARDED)
    sources = (source for each in forwarded for source in policy.lists_of(each.recipients))
    if any(source.id != addressed.id for source in sources):
        return "12-17"
    return why_words_pass(submission, evidence, policy) or "12-01"


def _hints(
    lists: tuple[MailingList, ...], submission: Submission, evidence: Evidence, policy: Policy
) -> tuple[str, ...]:
    """Rows that alarm nobody and are worth telling."""
    hints = ["12-11"] if hidden_lists(submission, policy) else []
    if first_posts(submission, evidence, policy):
        hints.append("12-25")
    if bursts(submission, evidence, policy):
        hints.append("12-27")
    if fit_elsewhere(lists, submission, evidence, policy) is not None:
        hints.append("12-29")
    unknown = [each for each in submission.recipients if policy.kind(each) is Kind.AT_LIST_DOMAIN]
    if unknown and {each.domain for each in unknown} & {each.address.domain for each in policy.lists}:
        hints.append("at-list-domain")
    return tuple(hints)
