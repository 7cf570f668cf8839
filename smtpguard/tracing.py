"""Tracing: where the texts of one mail come from, as far as its account may know (evidence class E1 and E0).

Compared are the mailbox of the account and the closed lists that it reads, each under keys of its own, and posts of
lists that everybody may read: nothing else can be reached (THREAT-MODEL T-10 to T-13). What others wrote to each other
changes neither what is found nor what is asked for. Pure: the rows come in, `Evidence` goes out.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import compress

from smtpguard.copying import RUN_MIN, Run, longest_run, stock_words
from smtpguard.evidence import EarlierMail, KnownText
from smtpguard.mail.message import Submission, Voice
from smtpguard.mail.subjects import base_subject
from smtpguard.marks import MailboxMarks, Marks, name_of, name_of_address, name_of_list
from smtpguard.policy import Policy
from smtpguard.prose import Prose, ProseReader, as_typed
from smtpguard.remembered_mail import Glance, MailQuestion, RememberedMail

# Words that a notice may show, so that the sender finds the place (SEMANTICS P3).
FIRST_WORDS = 8
# A passage is a list post if so much of its prose stood in list posts: some words are left out or written anew, and
# what is not from a list has no such share.
PUBLIC_SHARE = 0.5
# Shingles of one passage that are asked for, evenly spread: enough to tell half from less than half.
PUBLIC_SAMPLE = 48
# With fewer a passage cannot be told from others: code, tables, a line or two.
SAMPLE_MIN = 4
# Quoted and forwarded passages that are asked for, the first ones: a mail between persons and lists has a few.
PUBLIC_PASSAGES_MAX = 12


# Up to this, texts are read where the mail stands.
INLINE_PASSAGES_MAX = 100
INLINE_CHARACTERS_MAX = 32 * 1024
# Words of a mail that need not be read again once it is taken: 60 KB, as long as it waits.
PROSE_KEPT_MAX = 4000
# Mails that are looked at more closely, the newest: a text that more have is known well enough by these.
MATCHES_MAX = 100
# One of them may be the account's own.
THREADS_TELLING_MAX = 2


class Tracing:
    """The texts of `submission` beside what is remembered. `ring` are the marks of all weeks that live, `closed` the
    ids of the closed lists that the account reads, `stock` the shingles of phrases that prove nothing."""

    def __init__(
        self,
        submission: Submission,
        policy: Policy,
        reader: ProseReader,
        stock: Collection[bytes],
        ring: Mapping[str, Marks],
        closed: Iterable[str] = (),
    ) -> None:
        assert submission.account is not None  # noqa: S101 - nobody else is compared with anything
        self._submission = submission
        self._message = submission.message
        self._policy = policy
        self._reader = reader
        self._stock = stock
        self._name = name_of(submission.account)
        mailboxes = policy.remember.threads
        newest = [ring[week] for week in sorted(ring, reverse=True)]
        own = [marks.mailbox(self._name) for marks in newest] if mailboxes else []
        self._boxes: dict[bytes, tuple[MailboxMarks, str | None]] = {each.itself: (each, None) for each in own}
        for list_id in closed:
            for marks in newest:
                box = marks.mailbox(name_of_list(list_id))
                self._boxes[box.itself] = (box, list_id)
        self._mails: Sequence[Glance] = ()
        self._told: dict[tuple[bytes, int, bytes, bytes], RememberedMail] = {}
        self._to_lists = bool(policy.lists_of(submission.recipients))
        self._found: dict[int, list[int]] = {}
        self._answered: list[int] = []
        self._public: set[bytes] = set()
        self._asked: set[bytes] | None = None

    def question(self, since: datetime) -> MailQuestion:
        """What to ask the memory; nothing need be asked where there are no mailboxes."""
        return MailQuestion(tuple(self._boxes), since, texts=any(each.text for each in self._message.passages))

    @property
    def is_large(self) -> bool:
        """True if to read the texts takes more than 2 ms: then no session shall wait for it."""
        passages = self._message.passages
        return len(passages) > INLINE_PASSAGES_MAX or sum(len(each.text) for each in passages) > INLINE_CHARACTERS_MAX

    def compare(self, mails: Sequence[Glance]) -> None:
        """Take what the memory has. 1 ms for 50,000 fingerprints."""
        self._mails = mails
        self._answered = self._find_answered()
        by_box: dict[bytes, list[int]] = defaultdict(list)
        for number, mail in enumerate(mails):
            if mail.fingerprints and mail.mailbox in self._boxes:
                by_box[mail.mailbox].append(number)
        for itself, numbers in by_box.items():
            made = self._boxes[itself][0].copier.fingerprints(self._prose)
            kept = array("I")
            kept.frombytes(b"".join(mails[each].fingerprints for each in numbers))
            # Both ways give the same; the larger side need not become a set.
            asked = compress(made, self._prose.marks)
            common = set(asked).intersection(kept) if len(made) < len(kept) else set(kept).intersection(asked)
            if common:
                self._locate(mails, numbers, made, common)

    def _locate(self, mails: Sequence[Glance], numbers: Iterable[int], made: array[int], common: set[int]) -> None:
        places: dict[int, list[int]] = defaultdict(list)
        for place, fingerprint in enumerate(made):
            if fingerprint in common:
                places[fingerprint].append(place)
        for number in numbers:
            kept = array("I")
            kept.frombytes(mails[number].fingerprints)
            here = common.intersection(kept)
            if here:
                self._found[number] = sorted(place for each in here for place in places[each])

    def matches(self) -> tuple[Glance, ...]:
        """Mails that have words in common with this one, or that it answers; `tell` what is known of them."""
        chosen = {*self._found, *self._answered}
        if len(chosen) > MATCHES_MAX:
            best = (*self._answered[: MATCHES_MAX // 2], *self._telling(), *self._answered)
            chosen = {*list(dict.fromkeys(best))[:MATCHES_MAX]}
        self._found = {number: places for number, places in self._found.items() if number in chosen}
        return tuple(self._mails[number] for number in sorted(chosen))

    def _telling(self) -> Iterator[int]:
        """The numbers of mails with a run of words that few others have, then the rest. What stands in three threads is
        nobody's, or the account's own; a phrase that everybody writes must not hide the one mail that was copied."""
        threads: dict[int, set[bytes]] = defaultdict(set)
        for number, places in self._found.items():
            for place in places:
                threads[place].add(self._mails[number].thread)
        for number, places in sorted(self._found.items()):
            run = longest_run([each for each in places if len(threads[each]) <= THREADS_TELLING_MAX], self._excused)
            if run is not None and run.words >= RUN_MIN:
                yield number
        yield from sorted(self._found)

    def tell(self, mails: Iterable[RememberedMail]) -> None:
        """All that is known of `matches`."""
        self._told = {each.glance.key: each for each in mails}
        # Some may be gone by now, and those beyond MATCHES_MAX were not asked for.
        told = {number for number, each in enumerate(self._mails) if each.key in self._told}
        self._found = {number: places for number, places in self._found.items() if number in told}
        self._answered = [each for each in self._answered if each in told]

    def unsettled(self) -> tuple[bytes, ...]:
        """Shingles of which it matters whether a list post had them, and that none is known to have had. Ask for them
        season by season (`settle`), until there are none."""
        if self._asked is None:
            suspected = {self._prose.shingle(each) for each in self._suspected}
            self._asked = suspected.union(*self._samples.values())
        return tuple(sorted(self._asked - self._public))

    def settle(self, public: Iterable[bytes]) -> None:
        """These shingles stood in list posts."""
        self._public.update(public)

    def known(self) -> tuple[KnownText, ...]:
        """Stretches of private text, or of closed lists, in the order of the passages."""
        public = frozenset(each for each in self._suspected if self._prose.shingle(each) in self._public)
        told = {number: self._earlier_mail(self._mails[number]) for number in self._found}
        found = [
            KnownText(passage, run.words, self._begins(passage, run), told[number])
            for number, passage, run in self._runs(public)
        ]
        return tuple(sorted(found, key=lambda each: each.passage))

    def answered(self) -> tuple[EarlierMail, ...]:
        """Private mails of others that this one answers, the newest first."""
        mails = (self._mails[each] for each in self._answered)
        return tuple(
            self._earlier_mail(each) for each in mails if not self._is_own(each) and self._list_of(each) is None
        )

    def public(self) -> frozenset[int]:
        """The numbers of quoted and forwarded passages that are list posts."""
        return frozenset(
            number
            for number, sample in self._samples.items()
            if len(sample) >= SAMPLE_MIN and len(sample & self._public) >= PUBLIC_SHARE * len(sample)
        )

    def unmarked(self) -> frozenset[int]:
        """The numbers of quoted and forwarded passages that have too little prose to be known again."""
        passages = enumerate(self._message.passages)
        numbers = [n for n, each in passages if each.voice in self._may_be_public][:PUBLIC_PASSAGES_MAX]
        return frozenset(n for n in numbers if len(self._samples.get(n, ())) < SAMPLE_MIN)

    def foreign(self) -> frozenset[bytes]:
        """Shingles that the account has from somebody else: in its own text they are not its own words."""
        found: set[bytes] = set()
        for number, _, run in self._runs(frozenset()):
            if not self._is_own(self._mails[number]):
                inside = (each for each in self._found[number] if run.start <= each < run.end)
                found.update(map(self._prose.shingle, inside))
        return frozenset(found)

    @property
    def prose(self) -> Prose | None:
        """All passages as they were read, if that was needed and they are not long."""
        read: Prose | None = self.__dict__.get("_prose")
        return read if read is not None and len(read.words) <= PROSE_KEPT_MAX else None

    @cached_property
    def _prose(self) -> Prose:
        return self._reader.read_together([each.text for each in self._message.passages])

    @property
    def _may_be_public(self) -> tuple[Voice, ...]:
        """Voices of passages that alarm if no list post had them: to persons a quote only in an answer to private mail,
        a forward also where nothing is known of it."""
        return (Voice.FORWARDED, Voice.QUOTED) if self._to_lists or self._answered else (Voice.FORWARDED,)

    @cached_property
    def _excused(self) -> frozenset[int]:
        return stock_words(self._prose, self._stock)

    @cached_property
    def _samples(self) -> Mapping[int, frozenset[bytes]]:
        """Of each passage that may be a list post some shingles, evenly spread, stock phrases left out; passages with
        too little prose have none."""
        numbers = [n for n, each in enumerate(self._message.passages) if each.voice in self._may_be_public]
        found: dict[int, frozenset[bytes]] = {}
        if not numbers:
            return found
        starts = (*self._prose.starts, len(self._prose.words))
        for number in numbers[:PUBLIC_PASSAGES_MAX]:
            marks = self._prose.marks[starts[number] : starts[number + 1]]
            places = [
                each for each in compress(range(starts[number], starts[number + 1]), marks) if each not in self._excused
            ]
            if places:
                chosen = places[:: -(-len(places) // PUBLIC_SAMPLE)]
                found[number] = frozenset(map(self._prose.shingle, chosen))
        return found

    @cached_property
    def _suspected(self) -> frozenset[int]:
        """Where words of others were found that would alarm if no list post had them."""
        found: set[int] = set()
        for number, _, run in self._runs(frozenset()):
            if not self._is_own(self._mails[number]):
                found.update(each for each in self._counted[number] if run.start <= each < run.end)
        return frozenset(found)

    def _runs(self, public: frozenset[int]) -> Iterator[tuple[int, int, Run]]:
        """Number of mail, number of passage, and the longest run that they have in common; `public` places do not
        count for mails of others."""
        for number, places in self._counted.items():
            if not self._is_own(self._mails[number]):
                places = [each for each in places if each not in public]
            by_passage: dict[int, list[int]] = defaultdict(list)
            for place in places:
                by_passage[bisect_right(self._prose.starts, place) - 1].append(place)
            for passage, here in by_passage.items():
                run = longest_run(here, self._excused)
                if run is not None and run.words >= RUN_MIN:
                    yield number, passage, run

    @cached_property
    def _counted(self) -> Mapping[int, list[int]]:
        """`_found` without what proves nothing: the account's own words in mails of others, and words that came in two
        threads or more."""
        own: set[int] = set()
        threads: dict[tuple[str | None, int], set[bytes]] = defaultdict(set)
        for number, places in self._found.items():
            mail = self._mails[number]
            if self._is_own(mail):
                own.update(places)
                continue
            for place in places:
                threads[self._list_of(mail), place].add(mail.thread)
        return {
            number: places
            if self._is_own(self._mails[number])
            else [
                each
                for each in places
                if each not in own and len(threads[self._list_of(self._mails[number]), each]) == 1
            ]
            for number, places in self._found.items()
        }

    def _begins(self, passage: int, run: Run) -> str:
        words = min(run.end - run.start, FIRST_WORDS)
        shown = as_typed(self._message.passages[passage].text, self._prose.words[run.start : run.start + words])
        return shown + (" ..." if run.end - run.start > words else "")

    def _list_of(self, mail: Glance) -> str | None:
        return self._boxes[mail.mailbox][1]

    def _is_own(self, mail: Glance) -> bool:
        told = self._told[mail.key]
        return told.own or self._boxes[mail.mailbox][0].person(self._name) in told.authors

    def _find_answered(self) -> list[int]:
        """The numbers of the mails that this one answers, by its header (RFC 5322, 3.6.4) or by Outlook's thread."""
        references, conversation = self._message.references, self._message.conversation
        marks: dict[bytes, frozenset[bytes]] = {}
        if references:
            marks = {each: frozenset(map(box.message, references)) for each, (box, _) in self._boxes.items()}
            return [n for n, each in enumerate(self._mails) if each.message in marks[each.mailbox]]
        if conversation is None:
            return []
        marks = {each: frozenset((box.conversation(conversation),)) for each, (box, _) in self._boxes.items()}
        return [n for n, each in enumerate(self._mails) if each.conversation in marks[each.mailbox]]

    @cached_property
    def _threads_answered(self) -> frozenset[bytes]:
        return frozenset(self._mails[each].thread for each in self._answered)

    def _earlier_mail(self, glance: Glance) -> EarlierMail:
        mail = self._told[glance.key]
        box, list_id = self._boxes[mail.mailbox]
        knowing = {*mail.audience, *mail.authors, box.person(self._name)}
        strangers = frozenset(
            each
            for each in self._submission.recipients
            if self._policy.kind(each).human
            and not all(box.person(name_of_address(one)) in knowing for one in self._policy.members_of(each))
        )
        subject = base_subject(self._message.subject)
        return EarlierMail(
            when=mail.when,
            own=self._is_own(glance),
            strangers=strangers,
            author_visible=any(
                box.person(name_of_address(each)) in mail.authors for each in self._message.destinations
            ),
            consent=mail.consent,
            no_forward=mail.no_forward,
            subject_same=bool(mail.subject) and bool(subject) and mail.subject == box.subject(subject),
            answered=mail.thread in self._threads_answered,
            list_id=list_id,
        )

    @cached_property
    def _visible(self) -> frozenset[str]:
        return frozenset(map(name_of_address, self._message.destinations))
