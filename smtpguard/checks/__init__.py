"""The checks: each looks at one submission for one kind of trouble and gives findings. The table fixes their order.

A check is a function of its three arguments: it looks nothing up, keeps nothing, and knows no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from smtpguard.checks import (
    announcement,
    audience,
    burst,
    closed_text,
    crosspost,
    desk_beside_list,
    first_post,
    forwarded_private,
    hidden_list,
    list_command,
    private_text,
    repeated_post,
    threads,
    umbrella,
    unknown_origin,
    unreadable,
    visible_addresses,
    wrong_topic,
)
from smtpguard.evidence import Evidence
from smtpguard.mail.message import Submission
from smtpguard.policy import Policy
from smtpguard.verdict import Finding

Check = Callable[[Submission, Evidence, Policy], Iterator[Finding]]

CHECKS: Mapping[str, Check] = {
    "private_text": private_text.check,
    "forwarded_private": forwarded_private.check,
    "unknown_origin": unknown_origin.check,
    "unreadable": unreadable.check,
    "desk_beside_list": desk_beside_list.check,
    "crosspost": crosspost.check,
    "umbrella": umbrella.check,
    "threads": threads.check,
    "repeated_post": repeated_post.check,
    "closed_text": closed_text.check,
    "audience": audience.check,
    "announcement": announcement.check,
    "hidden_list": hidden_list.check,
    "wrong_topic": wrong_topic.check,
    "list_command": list_command.check,
    "first_post": first_post.check,
    "visible_addresses": visible_addresses.check,
    "burst": burst.check,
}
