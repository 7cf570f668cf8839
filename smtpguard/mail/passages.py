"""Who speaks in a text: own words, quotes, forwarded blocks, signature.

A forward's banner makes a forwarded passage. A block that answers have as well (Outlook's From/Sent/To/Subject,
"Original Message") is forwarded where the subject says so or nothing says that it is an answer; below an answer it is
a quote.
Within forwarded text each further block is a passage of its own. Lines with ">" are quotes of the depth they have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from smtpguard.mail.attributions import Attribution, find_attribution
from smtpguard.mail.blocks import Block, could_begin, find_block, is_end
from smtpguard.mail.bounds import BOUNDS
from smtpguard.mail.headings import Heading
from smtpguard.mail.landmarks import DEVICE_LINES, has_landmarks, landmarks
from smtpguard.mail.lines import LINES_MAX, Line, Lines, lines_of, may_be_rest
from smtpguard.mail.message import ForwardKind, Passage, Voice
from smtpguard.mail.subjects import SubjectKind, base_subject

# Below "--" without the blank of RFC 3676, 4.3, longer text is no signature but goes on after a rule.
SIGNATURE_LINES_MAX = 20
SPEAKERS_MAX = BOUNDS.speakers
# What mailing lists and mail programs add is short.
FOOTER_CHARACTERS_MAX = 100
# Where one line in so many is a landmark, lines are made once and not each time they are asked for.
DENSE = 20
# How many lines above its own a block may take back: a name and a date that Notes prints, or a rule.
TAKEN_BACK_MAX = 4

# A mail that names so many recipients was a talk of several; who answers it keeps some of them.
SEVERAL = 2

_GREETING = re.compile(r"(?:hello|hi|dear|hallo|guten tag|liebe[rs]?) ?[^,.:!?\n]{0,60}[,!]", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d_]+")
_LIST_FOOTER = ("mailing list", "mailingliste", "mailing-liste")


class Heard(NamedTuple):
    """The passages of a text in which somebody may begin to speak in `lines` lines; 0 where nobody may.

    `all_lines` and `all_speakers` are false where it has too many: others may speak in the last passage. `rests` are
    the numbers of those own passages that are one line among quoted ones, and may be what is left of a line that a
    program broke and did not mark again.
    """

    passages: tuple[Passage, ...]
    lines: int
    all_lines: bool
    all_speakers: bool
    rests: frozenset[int] = frozenset()


def passages_of(text: str, heading: Heading, most: int = LINES_MAX) -> tuple[Passage, ...]:
    """Split `text` (LF between lines) into passages, in order; what stands behind `most` lines goes with the last of
    them. Linear in its length; never raises.
    """
    return heard(text, heading, most, SPEAKERS_MAX).passages


def heard(text: str, heading: Heading, most: int, speakers: int) -> Heard:
    """The same; nobody is heard who begins to speak after `speakers`."""
    lines = lines_of(text, most)
    reader = _Reader(lines, heading, most, speakers)
    reader.read()
    passages = _with_marked_quote(reader.done, reader.kind)
    if reader.ordinary:
        return Heard(passages, 0, True, True)
    number, end = lines.counted
    all_speakers = reader.speakers_left > 0 and len(passages) < speakers
    return Heard(passages, number, end == len(lines.whole), all_speakers, frozenset(reader.rests))


def _with_marked_quote(passages: list[Passage], kind: SubjectKind) -> tuple[Passage, ...]:
    """A mail that calls itself a forward and only quotes (mutt): its first quote is what is forwarded."""
    if kind is SubjectKind.FORWARD and not any(each.voice is Voice.FORWARDED for each in passages):
        for n, each in enumerate(passages):
            if each.voice is Voice.QUOTED:
                passages[n] = replace(each, voice=Voice.FORWARDED, kind=ForwardKind.INLINE)
                break
    return tuple(passages)


_OWN = Passage(Voice.OWN, "")
_SIGNATURE = Passage(Voice.SIGNATURE, "")
_QUOTED = Passage(Voice.QUOTED, "")


class _Reader:
    """Goes through the lines once.

    `frame` is the speaker at depth `floor`; what is quoted deeper has a speaker by depth.
    """

    def __init__(self, lines: Lines, heading: Heading, most: int = LINES_MAX, speakers: int = SPEAKERS_MAX) -> None:
        self._source = lines
        long = len(lines.whole) > most
        # One speaker all the way. A long text is looked through before its lines are counted, which takes as long.
        self.ordinary = long and not lines.marked and not has_landmarks(lines.whole)
        found, attributions = (set[int](), set[int]()) if self.ordinary else landmarks(lines.whole, lines.end)
        # The lines to be read with care, the next one last; None if that is every line.
        self.landmarks: list[int] | None = sorted(found.union(_steps(lines.depths)), reverse=True)
        self.attributions = attributions
        self.ordinary = self.ordinary or not (long or self.landmarks)
        # A line near a landmark is looked at many times.
        dense = len(self.landmarks) * DENSE > len(lines) if self.landmarks else False
        self.lines: Sequence[Line] = list(lines) if dense else lines
        self.heading = heading
        self.kind = heading.kind
        self.done: list[Passage] = []
        self.frame = _OWN
        self.floor = 0
        self.by_depth: dict[int, Passage] = {}
        self.speaker = _OWN
        self.texts: list[str] = []
        self.own_words = False
        self.checked = 0
        self.speakers_left = speakers
        self.supercited = False
        self.rest = False
        self.rests: set[int] = set()
        # Whoever was taken for forwarded though neither a banner nor the subject says so.
        self.unmarked: Passage | None = None

    def read(self) -> None:
        if self.landmarks:
            self._read_lines()
        else:
            self.texts.append(self._source.whole)
        self._turn(None)

    def _read_lines(self) -> None:
        at = 0
        while at < len(self.lines):
            beyond = self._beyond_ordinary(at)
            if beyond > at:
                # One speaker goes on all the way: taking these lines one by one would do no more than this.
                self.texts.append(self._source.between(at, beyond))
                at = beyond
            else:
                at = self._step(at)

    def _beyond_ordinary(self, at: int) -> int:
        """Where the ordinary lines end that begin at `at`, in which nobody else can begin to speak."""
        if self.landmarks is None:
            return at
        while self.landmarks and self.landmarks[-1] < at:
            self.landmarks.pop()
        # A landmark is also where the depth changes, so all lines up to the next one are as deep as this one.
        end = self.landmarks[-1] - TAKEN_BACK_MAX if self.landmarks else len(self.lines)
        if end <= at:
            return at
        depth = self._source.depths.get(at, 0)
        if depth < self.floor or (self.by_depth and max(self.by_depth) > depth):
            return at
        quoted = depth > self.floor and self.frame.voice is not Voice.FORWARDED
        return end if self.speaker is (self._quoted_at(depth) if quoted else self.frame) else at

    def _step(self, at: int) -> int:
        """Read what begins at line `at`; returns where to go on."""
        line = self.lines[at]
        if line.depth < self.floor and not line.blank and not self._wrapped(at):
            self._enter(_OWN, 0)
        if at >= self.checked and self.speakers_left and could_begin(line):
            block, self.checked = find_block(self.lines, at)
            if block is not None:
                return self._take_block(at, block)
        if self.frame.voice is not Voice.FORWARDED and self.speakers_left:
            could_be = self.landmarks is None or at in self.attributions
            attribution = find_attribution(self.lines, at) if could_be else None
            if attribution is not None:
                return self._take_attribution(at, attribution)
        elif self.frame.voice is Voice.FORWARDED and is_end(line):
            self._enter(_OWN, 0)
            return at + 1
        self._take_line(at, line)
        return at + 1

    def _wrapped(self, at: int) -> bool:
        """A line that lost its quote mark by wrapping, within a quoted block."""
        around = self.lines[at - 1 : at + 2]
        return self.floor > 0 and len(around) == 3 and around[0].depth >= self.floor <= around[2].depth

    def _take_block(self, at: int, block: Block) -> int:
        self.speakers_left -= 1
        voice = self._voice_of(block)
        if voice is Voice.OWN:
            self._take_line(at, self.lines[at])
            return at + 1
        retracted = at - block.first
        if retracted > 0 and self.texts:
            del self.texts[-retracted:]
        speaker = Passage(
            voice,
            "",
            None,
            block.author,
            block.author_name,
            block.recipients,
            block.sent,
            block.subject,
        )
        if speaker.voice is Voice.FORWARDED:
            speaker = replace(speaker, kind=ForwardKind.INLINE)
            marked = block.banner or self.kind is SubjectKind.FORWARD or self.frame.voice is Voice.FORWARDED
            self.unmarked = None if marked else speaker
        self._enter(speaker, block.depth)
        return max(block.body, at + 1)

    def _voice_of(self, block: Block) -> Voice:
        quoting = self.frame.voice is Voice.QUOTED or self.speaker.voice is Voice.QUOTED or bool(self.by_depth)
        if self.frame.voice is Voice.FORWARDED:
            return Voice.FORWARDED
        if block.banner:
            # A forward that a third person answers is quoted in the answer; as the first thing that is quoted, or in
            # a mail that answers nobody, it is passed on once more.
            return Voice.QUOTED if block.depth > 0 and quoting and self._answers() else Voice.FORWARDED
        if self.kind is SubjectKind.FORWARD:
            return Voice.FORWARDED
        if self.kind is SubjectKind.ANSWER or quoting or (block.depth > 0 and not block.passed_on):
            return Voice.QUOTED
        if not self._spoken():
            return self._voice_alone(block)
        if self.kind is SubjectKind.EITHER and block.language != "en":
            return Voice.QUOTED if block.language == "fi" else Voice.FORWARDED
        return Voice.QUOTED if self._is_answered(block) else Voice.FORWARDED

    def _voice_alone(self, block: Block) -> Voice:
        """Of a block above which nobody has said anything: a forward without a comment, or a letter that begins with
        its own head ("From: the board, To: all members, Subject: ...").
        """
        heading, shown = self.heading, set(block.recipients)
        letterhead = shown and shown <= heading.destinations and not block.divided
        if letterhead and _WORDS.findall(heading.subject) == _WORDS.findall(block.subject or ""):
            return Voice.OWN
        return Voice.FORWARDED if block.addressed or heading.subject else Voice.QUOTED

    def _is_answered(self, block: Block) -> bool:
        """Whether a block below own words is what the mail answers.

        A forward command leaves its mark in the subject; where there is none, it was taken away, or an answer got a
        new subject, or the block was pasted. An answer goes to the block's author, or at least to somebody who had the
        first mail; a list may stand for both.
        """
        heading = self.heading
        if heading.is_to(block.author, block.author_name):
            return True
        if block.passed_on:
            return False
        if heading.answers:
            kept = not heading.destinations.isdisjoint(block.recipients)
            unknown = not heading.destinations or not block.recipients
            return kept or unknown or base_subject(block.subject or "") in heading.subject
        if heading.subject:
            return False
        # Nothing is known of the mail. A notification goes to one person and is answered elsewhere than at its author.
        return len(block.recipients) < SEVERAL

    def _answers(self) -> bool:
        """Whether the mail's header calls it an answer, or it goes to somebody whom it quotes."""
        heading = self.heading
        quoted = (each for each in (self.speaker, *self.by_depth.values()) if each.voice is Voice.QUOTED)
        return (
            self.kind is SubjectKind.ANSWER
            or heading.answers
            or any(heading.is_to(each.author, each.author_name) for each in quoted)
        )

    def _spoken(self) -> bool:
        """Whether the sender has said anything so far."""
        return self.own_words or (self.speaker.voice is Voice.OWN and any(each.strip() for each in self.texts))

    def _take_attribution(self, at: int, attribution: Attribution) -> int:
        self.speakers_left -= 1
        greeting = attribution.greeted and self.speaker is _OWN and not self.own_words
        if greeting and _GREETING.fullmatch("\n".join(self.texts).strip()):
            self.texts = []
        if attribution.mark and not self.supercited:
            self.supercited = True
            self._mark_quotes(attribution)
        # The ">>>>>" in front of a supercited attribution is no quote.
        depth = max(0, self.lines[at].depth - 5) if attribution.mark else self.lines[at].depth
        forward = self.kind is SubjectKind.FORWARD and not any(each.voice is Voice.FORWARDED for each in self.done)
        speaker = Passage(
            Voice.FORWARDED if forward else Voice.QUOTED, "", ForwardKind.INLINE if forward else None,
            attribution.author, attribution.author_name, (), attribution.sent,
        )  # fmt: skip
        below = next((each for each in self.lines[attribution.end : attribution.end + 4] if not each.blank), None)
        if below is not None and below.depth > depth:
            self.by_depth[below.depth] = speaker
        elif attribution.certain:
            self._enter(speaker, depth)
        else:
            self._take_line(at, self.lines[at])
            return at + 1
        return attribution.end

    def _mark_quotes(self, attribution: Attribution) -> None:
        """Lines that begin with the attribution's own mark are quoted, as if they began with ">"."""
        lines = list(self.lines)
        for at in range(attribution.end, len(lines)):
            depth, text = lines[at]
            words = text.lstrip()
            if words.startswith(attribution.mark):
                lines[at] = Line(depth + 1, words.removeprefix(attribution.mark).removeprefix(" "))
        # These are no longer the lines that the landmarks were found in.
        self.lines, self.landmarks = lines, None

    def _take_line(self, at: int, line: Line) -> None:
        text = line.text
        if not line.blank:
            if self.by_depth:
                self.by_depth = {depth: each for depth, each in self.by_depth.items() if depth <= line.depth}
            if line.depth > self.floor and self.frame.voice is not Voice.FORWARDED:
                self._turn(self._quoted_at(line.depth))
            else:
                if self.frame is _OWN and self._begins_signature(at, text):
                    self.frame = _SIGNATURE
                self._turn(_SIGNATURE if self.frame is _OWN and _is_footer(text) else self.frame)
                self.rest = self.speaker is _OWN and may_be_rest(self.lines, at)
        self.texts.append(text)

    def _quoted_at(self, depth: int) -> Passage:
        speaker = self.by_depth.get(depth)
        if speaker is None:
            nearest = max((each for each in self.by_depth if each < depth), default=None)
            outer = self.by_depth[nearest] if nearest is not None else None
            # Quotes within a quote that is forwarded are forwarded with it.
            speaker = outer if outer is not None and outer.voice is Voice.FORWARDED else _QUOTED
        return speaker

    def _begins_signature(self, at: int, text: str) -> bool:
        if text == "-- ":
            return True
        if text == "--":
            below = (
                each
                for each in self.lines[at + 1 : at + 1 + 4 * SIGNATURE_LINES_MAX]
                if each.depth == 0 and not each.blank
            )
            return next(islice(below, SIGNATURE_LINES_MAX, None), None) is None
        if text.startswith("_" * 40) and not text.strip("_ ") and at + 1 < len(self.lines):
            return any(each in self.lines[at + 1].text.lower() for each in _LIST_FOOTER)
        return False

    def _enter(self, speaker: Passage, depth: int) -> None:
        """From here on `speaker` speaks at `depth`."""
        self._turn(None)
        self.frame, self.floor, self.by_depth = speaker, depth, {}
        self.speaker = speaker

    def _turn(self, speaker: Passage | None) -> None:
        """End the passage if somebody else speaks now (None: in any case)."""
        if speaker is self.speaker:
            return
        text = "\n".join(self.texts).strip("\n")
        self.texts = []
        before, self.speaker = self.speaker, speaker or self.frame
        words = bool(text) and not text.isspace()
        if not words and before is self.unmarked:
            # A header with nothing below it, as bounces show it, passes nothing on.
            before = replace(before, voice=Voice.QUOTED, kind=None)
        if words or before.voice is Voice.FORWARDED or before.author is not None:
            said = Passage(
                before.voice, text, before.kind, before.author, before.author_name, before.recipients, before.sent,
                before.subject,
            )  # fmt: skip
            if self.rest and said.voice is Voice.OWN:
                self.rests.add(len(self.done))
            self.done.append(said)
            self.own_words = self.own_words or (words and before.voice is Voice.OWN)


def _steps(depths: Mapping[int, int]) -> Iterator[int]:
    """Lines that are quoted deeper or less deep than the line before."""
    for at, depth in depths.items():
        if depths.get(at - 1, 0) != depth:
            yield at
        if at + 1 not in depths:
            yield at + 1


def _is_footer(text: str) -> bool:
    """ "Sent from my telephone" and its kin."""
    return len(text) <= FOOTER_CHARACTERS_MAX and text.strip().lower().startswith(DEVICE_LINES)
