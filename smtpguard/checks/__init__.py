"""The checks: each looks at one submission for one kind of trouble and gives findings. The table fixes their order.

A check is a function of its three arguments: it looks nothing up, keeps nothing, and knows no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from smtpguard.checks import crosspost, forwarded_private, hidden_list
from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding

Check = Callable[[Submission, Evidence, Policy], Iterator[Finding]]

CHECKS: Mapping[str, Check] = {
    "forwarded_private": forwarded_private.check,
    "crosspost": crosspost.check,
    "hidden_list": hidden_list.check,
}
