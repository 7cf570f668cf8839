"""Statements about private mail and public texts, and their values, for the memory in PostgreSQL."""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from smtpguard.policy import Remember
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader, RememberedMail
from smtpguard.store.texts import EXAMINED_MAX, flags_of
from smtpguard.store.worker import number_of

Statement = tuple[str, dict[str, Any]]

# Fingerprints of one question; a mail that quotes more than some ten pages needs a second one.
ASKED_AT_ONCE = 5000

# The newest of each mailbox, and no mailbox is read further than what an answer may hold.
_GLANCES = """
    SELECT one.mailbox, one.time, one.thread, one.message, one.conversation, {fingerprints} AS fingerprints
    FROM unnest(%(mailboxes)s::bytea[]) WITH ORDINALITY AS asked(mailbox, place)
    CROSS JOIN LATERAL (
        SELECT * FROM mails WHERE mails.mailbox = asked.mailbox AND time >= %(since)s {among}
        ORDER BY time DESC LIMIT {most}
    ) AS one
    ORDER BY asked.place, one.time DESC LIMIT {most}"""
_ALL = _GLANCES.format(fingerprints="one.fingerprints", among="", most=EXAMINED_MAX)
_ALL_BUT_TEXTS = _GLANCES.format(fingerprints="''::bytea", among="", most=EXAMINED_MAX)
_AMONG = "AND message = ANY (%(messages)s::bytea[])"
_SOME = _GLANCES.format(fingerprints="one.fingerprints", among=_AMONG, most=EXAMINED_MAX)
_SOME_BUT_TEXTS = _GLANCES.format(fingerprints="''::bytea", among=_AMONG, most=EXAMINED_MAX)

_MAILS = """
    SELECT mails.* FROM
    unnest(%(mailboxes)s::bytea[], %(times)s::bigint[], %(threads)s::bytea[], %(messages)s::bytea[])
        WITH ORDINALITY AS chosen(mailbox, time, thread, message, place)
    JOIN mails USING (mailbox, time, thread, message) ORDER BY chosen.place"""

# LIMIT 1 makes a look into the index of each: else, for many at once, the whole table would be read.
_PUBLIC_AMONG = """
    SELECT asked.fingerprint FROM unnest(%(fingerprints)s::bigint[]) AS asked(fingerprint)
    CROSS JOIN LATERAL (
        SELECT 1 FROM public_texts
        WHERE season = %(season)s AND public_texts.fingerprint = asked.fingerprint LIMIT 1
    ) AS one"""

# Everything in one order: two nodes that write the same do not wait for each other.
_REMEMBER = """
    WITH new AS (
        INSERT INTO mails (mailbox, time, thread, message, conversation, week, authors, audience, topic, flags,
            fingerprints)
        SELECT * FROM unnest(%(mailboxes)s::bytea[], %(times)s::bigint[], %(threads)s::bytea[], %(messages)s::bytea[],
            %(conversations)s::bytea[], %(weeks)s::text[], %(authors)s::bytea[], %(audiences)s::bytea[],
            %(topics)s::bytea[], %(flags)s::int[], %(texts)s::bytea[])
        ON CONFLICT DO NOTHING
    )
    INSERT INTO public_texts (season, fingerprint)
    SELECT * FROM unnest(%(seasons)s::text[], %(fingerprints)s::bigint[])
    ON CONFLICT DO NOTHING"""

READERS = "SELECT week, account, list FROM readers WHERE account = ANY (%(accounts)s::bytea[])"
_NOTE_READERS = """
    INSERT INTO readers (account, list, week)
    SELECT * FROM unnest(%(accounts)s::bytea[], %(lists)s::bytea[], %(weeks)s::text[]) ON CONFLICT DO NOTHING"""

KNOWN_LISTS = "SELECT season, list, time FROM known_since"
_NOTE_KNOWN = """
    INSERT INTO known_since (season, list, time)
    SELECT * FROM unnest(%(seasons)s::text[], %(lists)s::bytea[], %(times)s::bigint[])
    ON CONFLICT (season, list) DO UPDATE SET time = least(known_since.time, excluded.time)"""

_KEY = "mailbox, time, thread, message"
_PRIVATE = "flags & 8 = 0"
# Not kept any more: private mail at all, or its words. A row that goes is not emptied besides.
_NO_PRIVATE = f"UNION (SELECT {_KEY} FROM mails WHERE {_PRIVATE} LIMIT %(most)s)"
_FORGET = """
    WITH gone AS (
        DELETE FROM mails WHERE ({key}) IN (
            (SELECT {key} FROM mails WHERE time < %(before)s ORDER BY time LIMIT %(most)s)
            UNION
            (SELECT {key} FROM mails WHERE week < %(weeks)s LIMIT %(most)s)
            {private}
        ) RETURNING time
    ), emptied AS (
        {emptied}
    ), past AS (
        DELETE FROM public_texts WHERE (season, fingerprint) IN (
            SELECT season, fingerprint FROM public_texts WHERE season < %(seasons)s LIMIT %(most)s
        ) RETURNING season
    ), unknown AS (
        DELETE FROM known_since WHERE season < %(seasons)s RETURNING season
    ), strange AS (
        DELETE FROM readers WHERE (account, list) IN (
            SELECT account, list FROM readers WHERE week < %(weeks)s LIMIT %(most)s
        ) RETURNING week
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM emptied) + (SELECT count(*) FROM past)
        + (SELECT count(*) FROM unknown) + (SELECT count(*) FROM strange) AS count"""
_EMPTIED = f"""UPDATE mails SET fingerprints = ''::bytea WHERE ({_KEY}) IN (
            SELECT {_KEY} FROM mails
            WHERE {_PRIVATE} AND length(fingerprints) > 0 AND time >= %(before)s AND week >= %(weeks)s
            LIMIT %(most)s
        ) RETURNING time"""
_NONE_EMPTIED = "SELECT 1 WHERE false"


def glances(question: MailQuestion) -> Statement:
    """What the mailboxes of `question` have, the newest of each first, at most EXAMINED_MAX in all."""
    values: dict[str, Any] = {"mailboxes": list(question.mailboxes), "since": number_of(question.since)}
    if question.messages is None:
        return (_ALL if question.texts else _ALL_BUT_TEXTS), values
    values["messages"] = list(question.messages)
    return (_SOME if question.texts else _SOME_BUT_TEXTS), values


def mails(chosen: Sequence[Glance]) -> Statement:
    """All that is kept of these mails, in their order; those that are gone by now are left out."""
    return _MAILS, {
        "mailboxes": [each.mailbox for each in chosen],
        "times": [each.time for each in chosen],
        "threads": [each.thread for each in chosen],
        "messages": [each.message for each in chosen],
    }


def public_among(season: str, fingerprints: Collection[int]) -> Iterator[Statement]:
    """Those of `fingerprints` that a list post of `season` had, in several questions if there are many."""
    asked = list(fingerprints)
    for start in range(0, len(asked), ASKED_AT_ONCE):
        yield _PUBLIC_AMONG, {"season": season, "fingerprints": asked[start : start + ASKED_AT_ONCE]}


def remember(remembered: Sequence[RememberedMail], public: Mapping[str, Collection[int]]) -> Statement:
    """Write private mail and public texts; what is there already is left as it is."""
    ordered = sorted(remembered, key=lambda each: each.glance.key)
    texts = [(season, each) for season in sorted(public) for each in sorted(set(public[season]))]
    return _REMEMBER, {
        "mailboxes": [each.mailbox for each in ordered],
        "times": [number_of(each.when) for each in ordered],
        "threads": [each.thread for each in ordered],
        "messages": [each.message for each in ordered],
        "conversations": [each.conversation for each in ordered],
        "weeks": [each.week for each in ordered],
        "authors": [b"".join(each.authors) for each in ordered],
        "audiences": [b"".join(each.audience) for each in ordered],
        "topics": [each.subject for each in ordered],
        "flags": [flags_of(each) for each in ordered],
        "texts": [each.fingerprints for each in ordered],
        "seasons": [season for season, _ in texts],
        "fingerprints": [each for _, each in texts],
    }


def note_readers(seen: Sequence[Reader]) -> Statement:
    """Write these; who is there already is left as he is."""
    ordered = sorted(seen, key=lambda each: (each.account, each.list))
    return _NOTE_READERS, {
        "accounts": [each.account for each in ordered],
        "lists": [each.list for each in ordered],
        "weeks": [each.week for each in ordered],
    }


def note_known(lists: Sequence[KnownList]) -> Statement:
    """Keep the earlier time of each."""
    earliest: dict[tuple[str, bytes], int] = {}
    for each in lists:
        time = number_of(each.since)
        # One statement changes a row once.
        earliest[each.season, each.list] = min(time, earliest.get((each.season, each.list), time))
    ordered = sorted(earliest.items())
    return _NOTE_KNOWN, {
        "seasons": [season for (season, _), _ in ordered],
        "lists": [one for (_, one), _ in ordered],
        "times": [time for _, time in ordered],
    }


def forget(before: datetime, week: str, season: str, keeps: Remember, most: int) -> Statement:
    """Delete at most `most` mails each of those before `before`, of a week before `week`, and of those that `keeps`
    does not keep any more, as many texts of seasons before `season` and readers of a week before `week`; tells how many
    rows are gone or changed."""
    statement = _FORGET.format(
        key=_KEY,
        private="" if keeps.threads else _NO_PRIVATE,
        emptied=_EMPTIED if keeps.threads and not keeps.texts else _NONE_EMPTIED,
    )
    return statement, {"before": number_of(before), "weeks": week, "seasons": season, "most": most}
