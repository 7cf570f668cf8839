"""`smtpguard new-list`: the first file of a list, ready to be loaded, with every other setting as a remark."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from smtpguard.config.lists import FOLDER, LIST_ID, ListFile
from smtpguard.config.loading import Loaded, load
from smtpguard.config.problems import Problem
from smtpguard.lists import Manager
from smtpguard.mail.address import Address
from smtpguard.tools.installation import create
from smtpguard.tools.schema import EDITOR_LINE, FILE_NAMES

# Who answers for a list is written to here; the suffix is the manager's (SEMANTICS c1).
_OWNERS = {Manager.SYMPA: "-request"}

# An exception that is switched on as it stands is neither over nor longer than one may be.
_EXCEPTION_SHOWN = timedelta(days=14)

_TEXT = """\
# Settings of the mailing list {id}. Everything after a # is a remark for people. To use a setting that stands behind
# one, delete the # and the one space after it. In front of a line use spaces, never the TAB key. Text with a colon,
# a # or only digits in it needs "quotes". Afterwards run `smtpguard check`, or change this file by `smtpguard edit`.

list: {address}
manager: {manager}{spaces}# the program that runs the list: mailman3, sympa, ezmlm or plain
about: "{about}"{more}# one sentence for members: what is this list for?
contact: {contact}

# ---------------------------------------------------------------- other addresses, other lists
# aliases: [{alias}]
# crosspost_with: [other-list]     # mails to both are fine, once the other list's file names {id}, too
# includes: [part-one, part-two]   # lists whose readers get this list's mail as well
# was: old-name                    # the name of this file before, if the list was renamed
# exceptions:                      # the same for some days, at most 60; both files need it
#   - until: {until}
#     crosspost_with: [other-list]
#     reason: "congress week"

# ---------------------------------------------------------------- who may post
# kind: announce                   # a list on which only these accounts post ...
# posters: [anna]                  # by the login, whatever From: says
# discussion: other-list           # ... and where the others should write instead
# automatic: [calendar]            # accounts of programs that may post here

# ---------------------------------------------------------------- who may read
# audience: closed                 # its mail is not passed on to other lists unasked, and it is never suggested ...
# readers: [anna]                  # ... but to these accounts, its posters, and whoever has posted here
# may_quote_to: [other-list]       # its mail may be passed on to this list

# ---------------------------------------------------------------- mail that belongs elsewhere
# topics: [minutes, agenda, meeting]   # words of this list, to suggest it to those who write elsewhere
# tag: "[{id}]"{tag_spaces}# what the list puts in front of each Subject
# wrong_topic: hold                # mail with many words of another list's topics: hold it; or suggest, or off
# wrong_if:                        # plain words in a Subject that belong to another list
#   - subject_has: [receipt, refund]
#     use: other-list
#     say: "Money matters go to the treasury."

# ---------------------------------------------------------------- when a mail is stopped
# on_alarm: observe                # try first: mails are only counted. Then hold; or refuse
# expires: 48h                     # how long a mail waits for its sender
# first_post: ask                  # who writes here for the first time is asked
# burst: {{posts: 5, within: 60m, do: ask}}   # who writes more than that to one thread is asked
# strict: true                     # who quotes text from nobody knows where is asked
# adding_people: ask               # who answers a private mail to this list and to more persons is asked
# encrypted: true                  # its members can read encrypted mail, so nobody is asked about that
# say: "For minutes use the archive."
# call: "Press team, 030 765 43 21"

# ---------------------------------------------------------------- what must stay true: `smtpguard check` tries it
# examples:
#   - {{to: [{id}], subject: "Agenda for Tuesday", expect: pass}}
#   - {{to: [{id}, other-list], subject: "Agenda for Tuesday", expect: hold}}
"""


class NewListError(Exception):
    """The list cannot be made; the text says why."""


def file_text(
    list_id: str, address: Address, manager: Manager, about: str, contact: str, today: date, *, editor_line: bool
) -> str:
    """The commented file of a new list; `today` is for the examples, `editor_line` if the schema lies beside it."""
    text = _TEXT.format(
        id=list_id,
        address=address.normal,
        manager=manager.value,
        spaces=" " * max(1, 24 - len(manager.value)),
        about=about.replace("\\", "\\\\").replace('"', '\\"'),
        more=" " * max(1, 24 - len(about)),
        contact=contact,
        alias=f"{list_id}-list@{address.domain}",
        until=(today + _EXCEPTION_SHOWN).isoformat(),
        tag_spaces=" " * max(1, 24 - len(list_id)),
    )
    return f"{EDITOR_LINE}{FILE_NAMES['list']}\n{text}" if editor_line else text


def default_contact(address: Address, manager: Manager) -> str:
    """The owners' address, as the list manager spells it."""
    return f"{address.local_part}{_OWNERS.get(manager, '-owner')}@{address.domain}"


def new_list(
    config: Path, address: Address, manager: Manager, about: str | None, contact: str | None, today: date
) -> tuple[Path, tuple[Problem, ...]]:
    """Write lists/NAME.yaml beside `config`, named after `address`; its path, and warnings about it.

    Raises NewListError if there is such a list or its name can be no id, RefusedError with the words of `check` if the
    file would be wrong, and OSError if it cannot be written. An existing file is never touched.
    """
    list_id = address.key[0]
    if not LIST_ID.fullmatch(list_id):
        text = f'"{list_id}" can be no list\'s id: letters a-z, digits, dot, dash and underscore.'
        raise NewListError(f"{text} Write the file by hand, with another name.")
    path = config.parent / FOLDER / f"{list_id}.yaml"
    before = load(config)
    if path.exists() or any(each.id == list_id for each in before.files):
        raise NewListError(f"there is a file of {list_id} already: {FOLDER}/{path.name}. It was left as it is.")
    text = file_text(
        list_id,
        address,
        manager,
        about or f"The list {list_id}",
        contact or default_contact(address, manager),
        today,
        editor_line=(path.parent / FILE_NAMES["list"]).exists(),
    )
    after = load(config, {list_id: text})
    refused = new_errors(before, after, f"{FOLDER}/{path.name}")
    if refused:
        raise RefusedError(refused)
    try:
        create(path, text)
    except FileExistsError:
        raise NewListError(f"{FOLDER}/{path.name} has come up meanwhile. It was left as it is.") from None
    return path, tuple(each for each in after.problems if each.file == f"{FOLDER}/{path.name}")


class RefusedError(Exception):
    """A file would be wrong, or would make others wrong; `problems` are the errors."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} errors")
        self.problems = problems


def new_errors(before: Loaded, after: Loaded, name: str) -> tuple[Problem, ...]:
    """The errors of the file `name`, and those of other files that were not there before."""
    known = {(each.file, each.line, each.text) for each in before.problems}
    return tuple(
        each
        for each in after.problems
        if each.is_error and (each.file == name or (each.file, each.line, each.text) not in known)
    )


def file_of(loaded: Loaded, word: str) -> ListFile | None:
    """The file of the list that `word` means: its id, its file's name, or one of its addresses."""
    name = word.strip().lower().removeprefix(f"{FOLDER}/")
    name = name.removesuffix(".yaml").removesuffix(".yml")
    for each in loaded.files:
        if each.id == name or any(address.normal == word.strip().lower() for address, _ in each.addresses):
            return each
    return None
