"""Sympa's `config` files: what one list's file says (Sympa 6.2).

A file is paragraphs, divided by empty lines: one line `name value`, or a line `name` and below it lines `key value`.
Lines that begin with # are remarks. Sympa skips what it does not know, and so do we. Owners and editors stood there
once; since 6.2.33 they live in the database, and `sympa dump` writes them into owner.dump and editor.dump beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smtpguard.config.places import address_of
from smtpguard.lists import ListKind
from smtpguard.mail.address import Address
from smtpguard.tools.importing.described import POSTERS_MAX, Described, one_line

# The largest known have 20 KB; dumps of owners and editors less.
CONFIG_OCTETS_MAX = 256 * 1024
# A list that is made of more lists than this has been entered by a program.
PARTS_MAX = 500

_FIRST_LINE = re.compile(r"\s*([\w-]+)(?:\s+(.*))?", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\n|\r")

# The scenario of `send` (default/scenari/send.*): these let nobody in but editors ...
_BY_EDITORS = frozenset({"newsletter", "newsletterkeyonly"})
# ... these nobody but owners ...
_BY_OWNERS = frozenset({"owner", "ownerauth"})
# ... and these every subscriber, or everybody, perhaps after he has confirmed it.
_BY_MEMBERS = frozenset(
    {
        "confidential", "intranet", "intranetorprivate", "private", "private_smime", "privatekey", "privateoreditorkey",
        "privateorpublickey", "privateandnomultipartoreditorkey", "public", "public_nobcc", "publickey",
        "publicnoattachment", "publicnomultipart",
    }
)  # fmt: skip
# Sympa writes one of these at the least into every list's file, whoever made it.
_OF_CONFIG = frozenset(
    {"subject", "status", "send", "owner", "visibility", "creation", "subscribe", "user_data_source"}
)
_HIDDEN = frozenset({"conceal", "secret"})
_MODERATED = "Sympa keeps what members send for its editors, so both kinds are possible"
_CLOSED = "Sympa takes no mail to this list any more"
_UNKNOWN = 'the scenario "{}" is none of Sympa\'s own, or none is named'
_NO_POSTER = "Sympa takes it for a list of announcements, and neither its file nor a dump names who posts there"
_MANY_POSTERS = f"more than {POSTERS_MAX} persons may post to this list of announcements"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`value` stands behind the name, `parts` on the lines below it, by their keys."""

    name: str
    value: str
    parts: Mapping[str, str]


def paragraphs(text: str) -> Iterator[Paragraph]:
    """The paragraphs of a `config` or `.dump` file."""
    lines: list[str] = []
    for line in (*_LINE_END.split(text), ""):
        if line.strip():
            if not line.lstrip().startswith("#"):
                lines.append(line)
        elif lines:
            found = [match for each in lines if (match := _FIRST_LINE.fullmatch(each)) is not None]
            if found:
                parts = {match[1]: (match[2] or "").strip() for match in found[1:]}
                yield Paragraph(found[0][1], (found[0][2] or "").strip(), parts)
            lines = []


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The texts of one list's folder: `config`, and the dumps, which may not be there."""

    name: str
    domain: str
    config: str
    owners: str = ""
    editors: str = ""


def is_config(text: str) -> bool:
    """False for the text of a file that is no list's: an empty one, another program's `config`, a dump in JSON."""
    return any(each.name in _OF_CONFIG for each in paragraphs(text))


def described(files: ListFiles) -> Described | None:
    """The list that `files` describe; None if it is closed or not open yet, or has no address."""
    address = address_of(f"{files.name}@{files.domain}")
    said = list(paragraphs(files.config))
    if address is None or _first(said, "status", "open") != "open":
        return None
    kind, posters, remark = _kind(said, files)
    to = _first(said, "reply_to_header", "") if kind is ListKind.ANNOUNCE else ""
    return Described(
        address,
        one_line(_first(said, "subject", "")),
        (),
        kind,
        posters,
        address_of(to) if to else None,
        tuple(_parts(said, address)),
        _first(said, "visibility", "").partition(" ")[0] in _HIDDEN,
        remark,
    )


def _first(said: list[Paragraph], name: str, otherwise: str) -> str:
    """What the first paragraph `name` says. That of `reply_to_header` is the address, where it is another than ours."""
    for each in said:
        if each.name == name == "reply_to_header":
            return each.parts.get("other_email", "") if each.parts.get("value") == "other_email" else ""
        if each.name == name:
            return each.value
    return otherwise


def _kind(said: list[Paragraph], files: ListFiles) -> tuple[ListKind | None, tuple[str, ...], str]:
    """The kind, who may post to announcements, and what is to be said where something stays open."""
    scenario = _first(said, "send", "")
    if scenario in _BY_MEMBERS:
        return ListKind.DISCUSSION, (), ""
    if scenario not in _BY_EDITORS | _BY_OWNERS:
        if scenario == "closed":
            return None, (), _CLOSED
        return None, (), _MODERATED if "editorkey" in scenario else _UNKNOWN.format(scenario[:40])
    owners = _mailboxes(said, "owner", files.owners)
    # Where a list has no editor, its owners are (Sympa::List::is_admin, "actual_editor").
    posters = owners if scenario in _BY_OWNERS else _mailboxes(said, "editor", files.editors) or owners
    if len(posters) > POSTERS_MAX:
        return None, (), _MANY_POSTERS
    return ListKind.ANNOUNCE, posters, "" if posters else _NO_POSTER


def _mailboxes(said: list[Paragraph], role: str, dump: str) -> tuple[str, ...]:
    """The mailboxes of owners or editors: those of the dump if there is one, which is newer, else those of `config`."""
    if dump.strip():
        # Each line of a dump's paragraph is a key and its value, the first as well.
        found = [{each.name: each.value, **each.parts}.get("email", "") for each in paragraphs(dump)]
    else:
        found = [each.parts.get("email", "") for each in said if each.name == role]
    addresses = (address_of(each) for each in found[: POSTERS_MAX + 1] if each)
    return tuple(sorted({each.normal for each in addresses if each is not None}))


def _parts(said: list[Paragraph], whole: Address) -> Iterator[Address]:
    """The lists whose subscribers get this list's mail: `include_sympa_list`, before 6.2.16 `include_list`.

    With a filter it is some of them only, and the list reaches no other list as a whole.
    """
    seen = {whole}
    for each in said:
        if each.name == "include_sympa_list" and not each.parts.get("filter"):
            word = each.parts.get("listname", "")
        elif each.name == "include_list" and " filter " not in f"{each.value} ":
            word = each.value
        else:
            continue
        found = address_of(word if "@" in word else f"{word}@{whole.domain}") if word else None
        if found is not None and found not in seen and len(seen) <= PARTS_MAX:
            seen.add(found)
            yield found
