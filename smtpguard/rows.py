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
        "11-02": "Words that others wrote privately stay among those who had them.",
        "11-03": "An answer may take in one or two persons, if its author stands in To or Cc; never a list.",
        "11-04": "A forwarded mail that the sender wrote himself may go anywhere.",
        "11-05": "Of a private talk one's own words may go anywhere, those of the others stay where they were.",
        "11-06": "An answer to a private mail that quotes nothing, with a Subject of its own, is a new mail.",
        "11-07": "An answer to a private mail stays off lists, even if it quotes nothing.",
        "11-08": "A forwarded mail that names only persons stays off lists; if a member wrote it, also from others.",
        "11-11": "A forwarded mail that went to one of the lists may go to a list.",
        "11-13": "What its author has marked, in his own mail, as free to be passed on may go anywhere.",
        "11-14": "Where the author has asked not to pass a mail on, nobody else is taken in, not even in the open.",
        "11-15": "Whoever knows that the author agrees answers SEND; no proof is asked for, and nothing is kept of it.",
        "11-16": "An attached mail is judged like a forwarded one.",
        "11-24": "Private text does not go to anybody who is not on the roster, not even in the open.",
        "11-25": "Mail to a desk passes unseen, whoever else gets it, as long as no list does.",
        "11-26": "Mail to a list manager's own addresses (subscribe, confirm, ...) passes.",
        "11-27": "Mail to oneself passes.",
        "11-28": "What a desk writes to persons passes unseen.",
        "12-01": "One list, with any persons: the normal case.",
        "12-02": "A message goes to two or more lists that have not agreed to be addressed together.",
        "12-03": "The lists have agreed, two by two, to be addressed together.",
        "12-04": "A message goes to a list and to a part of it, whose readers would get it twice.",
        "12-05": "A message goes to several parts of one list; that list reaches all of them.",
        "12-06": "A list that includes others is one list.",
        "12-07": "An announcement list and one of its posters: the normal case.",
        "12-08": "A message goes to an announcement list, and the account is none of its posters.",
        "12-09": "A poster may write to an announcement list and the list that it names for discussion.",
        "12-10": "A list is only in Bcc, so the visible recipients cannot see that it reads along.",
        "12-11": "A list is only in Bcc and nobody is visible: the list server decides.",
        "12-12": "The same account has sent nearly the same text to another list a few days ago.",
        "12-13": "An earlier mail with the same text that never went out is no obstacle: it is a slip mended.",
        "12-16": "The same text to the same list again is no matter of this rule.",
        "12-17": "Somebody else's list mail may be passed on to another list, but not out of a closed one.",
        "12-18": "An answer to the list where the thread began.",
        "12-19": "An answer takes a thread from its list to further lists.",
        "12-20": "An answer may move a thread to another list, but not out of a closed one.",
        "12-21": "The lists of this thread were confirmed or allowed together before.",
        "12-22": "An answer takes in a list that the thread was kept off: only the header of an earlier mail names it.",
        "12-23": "Words or the tag of the subject belong to another list, and the addressed list's file asks about it.",
        "12-24": "The whole text is a command for the list server, and everybody on the list would read it.",
        "12-25": "The first mail of an account to a list passes, unless the list's file asks about it.",
        "12-26": "To and Cc show many personal addresses to a list or to outsiders.",
        "12-27": "Many mails of one account to one thread within an hour pass, unless the list's file asks about them.",
        "12-28": "A list and a desk in one mail: most likely a slip.",
        "12-29": "The words of a new thread fit another list, and none of them the addressed one.",
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
