"""Header blocks and banners of forwarded or answered mails that stand in a text.

A banner ("---------- Forwarded message ----------") says that a forward follows; a divider ("-----Original
Message-----", a rule, or just From/Sent/To/Subject) stands above answers as well. Which it is, `passages.py` decides.
Everything here is bounded in the lines it looks ahead, and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from smtpguard.mail.address import Address
from smtpguard.mail.header_labels import LABELS, Meanings, folded, glued_labels, is_first_word, read_label, words_of
from smtpguard.mail.lines import Line
from smtpguard.mail.mailboxes import line_mailboxes

# A block with hundreds of recipients, one a line.
BLOCK_LINES_MAX = 200
# How far a folded value may go on before the next label.
FOLD_LINES_MAX = 30
# Between a banner and its first label: blank lines, and in Notes the name and the date.
GAP_LINES_MAX = 8
BANNER_CHARACTERS_MAX = 200
# Yahoo's HTML, made plain, has banner and block in one line.
ONE_LINE_CHARACTERS_MAX = 4000
# The longest banner that ends in a colon and has no rules around it.
BANNER_COLON_MAX = 60
LABELS_MIN = 3

_RULES = "-_=*~–—<> \t"
RULE_STARTS = frozenset("-_=*~–—<")
COLONS = (":", "\uff1a")
_BANNER_ENDS = _RULES + "".join(COLONS)
# Thunderbird, Roundcube and Squirrelmail draw this rule above forwards only; above answers they write an attribution.
_LONG_RULE = "-" * 8
# Open-Xchange (IONOS and others) writes these labels in this order above forwards only.
_OPEN_XCHANGE = (["from", "to", "date", "subject"], ["from", "to", "cc", "date", "subject"])

_FORWARDED = words_of("forwarded")
_ORIGINAL = words_of("original")
_ENDS = tuple(words_of("end"))
_BY = tuple(words_of("by"))
_OF = tuple(words_of("of"))
_ONE_LINE = re.compile(r"[-_=*~ ]{3,}([^-_=*~]{3,60})[-_=*~]{3,}:?[ \t]*(\S.*)")
_NAME_ON_DATE = re.compile(r"(\S.{1,100}?) (?:on|am) (\d{1,2}[./]\d{1,2}[./]\d{2,4}\b.{0,30})")
_DATE_LINE = re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{2,4}\s.{0,20}\d{1,2}:\d{2}.{0,10}")
# Other fields of a header that was pasted whole.
_OTHER_FIELD = re.compile(
    r"(?:[A-Za-z]+-[A-Za-z-]{1,40}|Sender|Received|Status|Precedence|Organi[sz]ation|Importance|Priority|Attachments?|"
    r"References|Wichtigkeit|Anlagen?|Priorität):"
)
_PATCH = re.compile(r"From [0-9a-f]{40} ")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines first..body (body not included) are banner and header lines.

    `banner` is true where only a forward has them; `passed_on` where they read as in an answer, but the program that
    writes them so does that above forwards only. `divided`: there is a banner or a rule above the labels. `addressed`:
    there is a To or a Cc, which may name people without addresses.
    """

    first: int
    body: int
    depth: int
    banner: bool
    language: str = "en"
    author: Address | None = None
    author_name: str | None = None
    recipients: tuple[Address, ...] = ()
    sent: str | None = None
    subject: str | None = None
    divided: bool = False
    passed_on: bool = False
    addressed: bool = False


@dataclass(slots=True)
class _Entries:
    """Label lines as read: the (language, field) pairs of each, and its value; `seen` are the labels, in order."""

    values: list[tuple[Meanings, list[str]]] = field(default_factory=list)
    seen: dict[str, None] = field(default_factory=dict)
    end: int = 0

    def language(self) -> str:
        """The language that explains most labels; English where several do."""
        counts: dict[str, int] = {}
        for pairs, _ in self.values:
            for language, _ in pairs:
                counts[language] = counts.get(language, 0) + 1
        return max(counts, key=lambda each: (counts[each], each == "en"), default="en")

    def fields(self, language: str, mixed: bool) -> dict[str, str]:
        """Values by field; Gmail mixes the user's language with English, so `mixed` takes labels of any language."""
        fields: dict[str, str] = {}
        for pairs, value in self.values:
            names = [name for each, name in pairs if each == language] or ([pairs[0][1]] if mixed else [])
            for name in names[:1]:
                fields.setdefault(name, " ".join(value).strip())
        return fields


def is_end(line: Line) -> bool:
    """True for a line such as "----- End forwarded message -----"."""
    text = line.text
    return (
        text[:2] in ("--", "==", "__")
        and len(text) <= BANNER_CHARACTERS_MAX
        and folded(text.strip(_RULES)).startswith(_ENDS)
    )


def could_begin(line: Line) -> bool:
    """Quick test: False where neither a banner nor a block can begin at `line`."""
    text = line.text
    head = text[:BANNER_COLON_MAX]
    return ":" in head or text.lstrip()[:1] in RULE_STARTS or (not head.isascii() and COLONS[1] in head)


def find_block(lines: Sequence[Line], at: int) -> tuple[Block | None, int]:
    """Read the block that begins at line `at`. Returns it, or None, and where to go on looking."""
    text = lines[at].text.strip()
    if not text:
        return None, at + 1
    banner = _banner(lines, at, text)
    if banner is not None:
        return banner, banner.body
    label = read_label(text)
    if label is None or not any(name in ("from", "date", "to", "subject") for _, name in label[0]):
        return None, at + 1
    return _bare_block(lines, at)


def _banner(lines: Sequence[Line], at: int, text: str) -> Block | None:
    if len(text) > BANNER_CHARACTERS_MAX:
        return _one_line(lines, at, text) if text[:2] in ("--", "__") else None
    core = folded(" ".join(text.strip(_BANNER_ENDS).split()))
    if core not in _FORWARDED and " ---" in core:
        core = core.partition(" ---")[0]
    ruled = text[0] in _RULES
    forwarded, original = core in _FORWARDED, core in _ORIGINAL
    if forwarded or (original and (ruled or text[-1] in COLONS)):
        language = _FORWARDED[core] if forwarded else _ORIGINAL[core]
        block = _below(lines, at, at + 1, forwarded, language)
        # The words alone, in a line of their own, may be anybody's headline.
        headed = bool(block.author or block.author_name or block.recipients or block.subject)
        return block if headed or ruled or (forwarded and text[-1] in COLONS) else None
    if ruled and core.startswith((*_BY, *_OF)):
        return _named_banner(lines, at, core)
    return _one_line(lines, at, text) if text[:2] in ("--", "__", "==") else None


def _named_banner(lines: Sequence[Line], at: int, core: str) -> Block:
    """A banner with a name: "Forwarded by X on D" (Notes, may go on in the next line), "Forwarded message from X"."""
    end = at + 1
    following = lines[end].text.strip() if end < len(lines) else ""
    if not lines[at].text.rstrip().endswith(("-", "=")) and following.endswith("---") and len(following) <= 100:
        end += 1
    block = _below(lines, at, end, True, "en")
    if block.author is None and block.author_name is None and core.startswith(_OF):
        start = next(len(each) for each in _OF if core.startswith(each))
        typed = " ".join(lines[at].text.strip(_RULES + ":").split())
        name, addresses = line_mailboxes(typed[start:])
        return replace(block, author=addresses[0] if addresses else None, author_name=name or None)
    return block


def _one_line(lines: Sequence[Line], at: int, text: str) -> Block | None:
    """Banner and block glued into one line."""
    if len(text) > ONE_LINE_CHARACTERS_MAX or "--" not in text[:60]:
        return None
    match = _ONE_LINE.match(text)
    if match is None:
        return None
    core = folded(" ".join(match[1].split()))
    if core not in _FORWARDED and core not in _ORIGINAL:
        return None
    entries = _Entries(end=at + 1)
    marks = glued_labels(match[2])
    for n, (_, word, value) in enumerate(marks):
        if word not in entries.seen:
            entries.seen[word] = None
            stop = marks[n + 1][0] if n + 1 < len(marks) else len(match[2])
            entries.values.append((LABELS[word], [match[2][value:stop].strip()]))
    depth = lines[at].depth
    if not entries.values:
        return None
    return replace(_made(entries, at, depth, core in _FORWARDED, True), divided=True)


def _below(lines: Sequence[Line], first: int, start: int, banner: bool, language: str) -> Block:
    """The block below a banner: labels after at most GAP_LINES_MAX lines, of which Notes fills up to three."""
    depth = lines[first].depth
    named: list[int] = []
    for at in range(start, min(start + GAP_LINES_MAX, len(lines))):
        line = lines[at]
        # MailMate quotes the block, but not its banner.
        if line.depth < depth or line.depth > depth + 1:
            break
        if line.blank or (banner and _OTHER_FIELD.match(line.text)):
            continue
        if read_label(line.text.strip()) is not None:
            entries = _entries(lines, at)
            if named and "to" not in entries.fields(entries.language(), True):
                break
            block = replace(
                _made(entries, first, line.depth, banner, True),
                divided=True,
                passed_on=banner or _only_above_forwards(lines[first].text, entries),
            )
            return _signed(lines, block, named) if named else block
        named.append(at)
        if len(named) > 3:
            break
    return Block(first, start, depth, banner, language, divided=True)


def _only_above_forwards(banner: str, entries: _Entries) -> bool:
    """Whether "Original Message" and the labels below it look as programs write them above forwards, but not above
    answers.
    """
    language = entries.language()
    fields = list(entries.fields(language, True))
    if fields[:1] == ["subject"]:
        return banner.lstrip().startswith(_LONG_RULE)
    return fields in _OPEN_XCHANGE and any(is_first_word(word, language, "date") for word in entries.seen)


def _bare_block(lines: Sequence[Line], at: int) -> tuple[Block | None, int]:
    """A block without banner: three labels of one language, one of them "from", and a subject or an address."""
    entries = _entries(lines, at)
    language = entries.language()
    fields = entries.fields(language, mixed=False)
    depth = lines[at].depth
    if "from" not in fields:
        named = _name_above(lines, at) if "to" in fields and len(fields) >= LABELS_MIN else []
        if not named:
            return None, entries.end
        return _signed(lines, _made(entries, named[0], depth, False, False), named), entries.end
    proof = "subject" in fields or "@" in fields["from"] or "@" in fields.get("to", "")
    if len(fields) < LABELS_MIN or not proof or (at and _PATCH.match(lines[at - 1].text)):
        return None, entries.end
    first = at
    for above in range(at - 1, max(at - 4, -1), -1):
        text = lines[above].text.strip()
        if text:
            if _is_divider(text) and lines[above].depth == depth:
                first = above
            break
    return replace(_made(entries, first, depth, False, False), divided=first < at), entries.end


def _is_divider(text: str) -> bool:
    """A rule, or a banner in a language that is not in the table: words between rules."""
    ruled = text.startswith(("---", "___", "===")) and text.endswith(("---", "___", "==="))
    return (ruled and len(text) <= BANNER_CHARACTERS_MAX) or (len(text) >= 5 and not text.strip("_-=–— *"))


def _entries(lines: Sequence[Line], at: int) -> _Entries:
    """Label lines from `at` on, with folded values.

    Ends at a label that was there already or at a line that is none.
    """
    entries = _Entries(end=at + 1)
    depth = lines[at].depth
    blanks = 0
    other = False
    for position in range(at, min(at + BLOCK_LINES_MAX, len(lines))):
        line = lines[position]
        if line.depth != depth:
            break
        if line.blank:
            blanks += 1
            if blanks > 2:
                break
            continue
        label = read_label(line.text.strip())
        if label is not None:
            pairs, word, value = label
            if word in entries.seen:
                break
            entries.seen[word] = None
            entries.values.append((pairs, [value]))
            other = False
        elif blanks:
            break
        elif _OTHER_FIELD.match(line.text):
            other = True
        elif _goes_on(lines, position, "" if other else entries.values[-1][1][-1]):
            if not other:
                entries.values[-1][1].append(line.text.strip())
        else:
            break
        blanks = 0
        entries.end = position + 1
    return entries


def _goes_on(lines: Sequence[Line], at: int, value: str) -> bool:
    """Whether the line `at` belongs to the value above it: it is indented, the value is open, or a label comes soon."""
    if value.endswith((",", ";", "<")) or lines[at].text[:1] in ("\t", " "):
        return True
    depth = lines[at].depth
    for line in lines[at + 1 : at + FOLD_LINES_MAX]:
        if line.blank or line.depth != depth:
            return False
        if read_label(line.text.strip()) is not None:
            return True
    return False


def _made(entries: _Entries, first: int, depth: int, banner: bool, mixed: bool) -> Block:
    language = entries.language()
    fields = entries.fields(language, mixed)
    name, authors = line_mailboxes(fields.get("from", ""))
    recipients = dict.fromkeys(address for each in ("to", "cc") for address in line_mailboxes(fields.get(each, ""))[1])
    return Block(
        first, entries.end, depth, banner, language, authors[0] if authors else None, name or None, tuple(recipients),
        fields.get("date") or None, fields.get("subject"), addressed="to" in fields or "cc" in fields,
    )  # fmt: skip


def _name_above(lines: Sequence[Line], at: int) -> list[int]:
    """Lines above `at` that name author and date as Notes prints them: "Anna on 05/04/2001 09:02 AM", or two lines."""
    depth = lines[at].depth
    above = [each for each in range(max(at - 4, 0), at) if not lines[each].blank and lines[each].depth == depth]
    if not above:
        return []
    last = lines[above[-1]].text.strip()
    if len(last) <= BANNER_CHARACTERS_MAX and _NAME_ON_DATE.fullmatch(last):
        return above[-1:]
    if (
        len(above) > 1
        and _DATE_LINE.fullmatch(last)
        and above[-2] == above[-1] - 1
        and len(lines[above[-2]].text) <= 100
    ):
        return above[-2:]
    return []


def _signed(lines: Sequence[Line], block: Block, named: list[int]) -> Block:
    """`block` with the author and date that stand above its labels."""
    if block.author is not None or block.author_name is not None:
        return block
    text = lines[named[0]].text.strip()[:BANNER_CHARACTERS_MAX]
    match = _NAME_ON_DATE.fullmatch(text)
    sent = match[2] if match else lines[named[1]].text.strip() if len(named) > 1 else None
    name, addresses = line_mailboxes(match[1] if match else text)
    return replace(block, author=addresses[0] if addresses else None, author_name=name or None, sent=sent)
