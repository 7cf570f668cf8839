"""The rows of what smtpguard decides, by id, with one sentence each; `explain` prints them.

A row is here from the version on that keeps it. The ids are those of the decision table: 11-xx and 12-xx belong to the
organisation's rules 11 and 12, 90-xx to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ROWS: Mapping[str, str] = MappingProxyType(
    {
        "11-01": "The message brings no words of a private mail that could be recognised.",
        "11-04": "A forwarded mail that the sender wrote himself may go anywhere.",
        "11-08": "A forwarded mail that names only persons stays off lists; if a member wrote it, also from others.",
        "11-11": "A forwarded mail that went to one of the lists may go to a list.",
        "11-16": "An attached mail is judged like a forwarded one.",
        "11-25": "Mail to a desk passes unseen, whoever else gets it, as long as no list does.",
        "11-26": "Mail to a list manager's own addresses (subscribe, confirm, ...) passes.",
        "11-27": "Mail to oneself passes.",
        "11-28": "What a desk writes to persons passes unseen.",
        "12-01": "One list, with any persons: the normal case.",
        "12-02": "A message goes to two or more lists that have not agreed to be addressed together.",
        "12-03": "The lists have agreed, two by two, to be addressed together.",
        "12-10": "A list is only in Bcc, so the visible recipients cannot see that it reads along.",
        "12-11": "A list is only in Bcc and nobody is visible: the list server decides.",
        "90-01": "An automatic mail cannot be asked about; if it would be held, it is refused.",
        "90-02": "A mail with the null reverse-path is never held; if rule 12 alarms, it is refused.",
        "90-03": "Nobody has logged in: passed on untouched, the mail server decides.",
        "90-04": "The account that logged in is asked, whatever From: says.",
        "90-05": "An account without a mailbox of its own cannot be asked; if its mail would be held, it is refused.",
        "90-06": "A trusted network may send without a login; nobody can be asked, so what would be held is refused.",
        "90-08": "A mail that would be held but is too large to be kept is refused.",
        "90-10": "A hold that cannot be stored, or its notice handed over, does not happen: the mail comes back.",
        "90-12": "Several reasons make one hold and one notice, rule 11 before rule 12.",
        "90-14": "What nobody has answered in time is deleted and never sent.",
        "90-16": "A mail to the mail check must go to it alone.",
        "unexamined": "A check failed, by a mistake of the program: to a list the mail is held, to persons it passes.",
        "90-17": "A mail that contains the code of a waiting mail is not passed on.",
    }
)
