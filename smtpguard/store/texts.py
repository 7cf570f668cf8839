"""Statements about private mail and public texts, in the memory's file. All raise sqlite3.Error."""

# ruff: noqa: S608 - statements are put together from constants of this file; values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from smtpguard.policy import Remember
from smtpguard.remembered_mail import Glance, KnownList, MailQuestion, Reader, RememberedMail
from smtpguard.store.worker import number_of, time_of

# Mails of one mailbox that are looked at, the newest: thirty a day for a month. Each costs some 0.01 ms.
EXAMINED_MAX = 1000
# Fingerprints of one statement. SQLite takes 32,766, and keeps the statement at hand: a few hundred octets for each.
ASKED_AT_ONCE = 100
WRITTEN_AT_ONCE = 200
# As `marks` makes them.
_PERSON_OCTETS = 8
_OWN, _CONSENT, _NO_FORWARD, _OF_LIST = 1, 2, 4, 8

_MAIL = "mailbox, time, thread, message, conversation, fingerprints, week, authors, audience, topic, flags"
_AMONG = (
    "SELECT fingerprint FROM public_texts WHERE season = ? AND fingerprint IN "
    f"({', '.join('?' for _ in range(ASKED_AT_ONCE))})"
)
_ADD = f"INSERT OR IGNORE INTO public_texts SELECT ?, column1 FROM (VALUES {', '.join(['(?)'] * WRITTEN_AT_ONCE)})"
_ADD_ONE = "INSERT OR IGNORE INTO public_texts VALUES (?, ?)"
_PRIMARY = "mailbox, time, thread, message"
_KEY = "mailbox = ? AND time = ? AND thread = ? AND message = ?"


def glances(connection: sqlite3.Connection, question: MailQuestion) -> list[Glance]:
    """What the mailboxes of `question` have, the newest of each first, at most EXAMINED_MAX in all."""
    fingerprints = "fingerprints" if question.texts else "x''"
    some = question.messages
    among = "" if some is None else f"AND message IN ({', '.join('?' for _ in some)})"
    index = "" if some is None else "INDEXED BY mails_by_message"
    cursor = connection.cursor()
    cursor.row_factory = None
    found: list[Glance] = []
    for mailbox in question.mailboxes if some is None or some else ():
        cursor.execute(
            f"SELECT mailbox, time, thread, message, conversation, {fingerprints} FROM mails {index} "
            f"WHERE mailbox = ? AND time >= ? {among} ORDER BY time DESC LIMIT ?",
            (mailbox, number_of(question.since), *(some or ()), EXAMINED_MAX - len(found)),
        )
        found += map(Glance._make, cursor)
        if len(found) >= EXAMINED_MAX:
            break
    return found


def mails(connection: sqlite3.Connection, chosen: Iterable[Glance]) -> list[RememberedMail]:
    """All that is kept of these mails, in their order; those that are gone by now are left out."""
    found = (connection.execute(f"SELECT {_MAIL} FROM mails WHERE {_KEY}", each.key).fetchone() for each in chosen)
    return [mail_of(each) for each in found if each is not None]


def add_mails(connection: sqlite3.Connection, remembered: Iterable[RememberedMail]) -> None:
    """Write these rows; one that is there already is left as it is."""
    connection.executemany(
        f"INSERT OR IGNORE INTO mails ({_MAIL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (*each.glance, each.week, b"".join(each.authors), b"".join(each.audience), each.subject, flags_of(each))
            for each in remembered
        ),
    )


def readers(connection: sqlite3.Connection, accounts: Sequence[bytes]) -> tuple[Reader, ...]:
    """The closed lists that an account, by its marks, is known to read."""
    places = ", ".join("?" for _ in accounts)
    rows = connection.execute(f"SELECT week, account, list FROM readers WHERE account IN ({places})", accounts)
    return tuple(Reader(each["week"], each["account"], each["list"]) for each in rows)


def note_readers(connection: sqlite3.Connection, seen: Iterable[Reader]) -> None:
    """Write these; who is there already is left as he is."""
    rows = [(each.account, each.list, each.week) for each in seen]
    connection.executemany("INSERT OR IGNORE INTO readers VALUES (?, ?, ?)", rows)


def public_among(connection: sqlite3.Connection, season: str, fingerprints: Collection[int]) -> frozenset[int]:
    """Those of `fingerprints` that a list post of `season` had."""
    asked = list(fingerprints)
    found: set[int] = set()
    for start in range(0, len(asked), ASKED_AT_ONCE):
        some = asked[start : start + ASKED_AT_ONCE]
        # Of one size each, so that SQLite has but one such statement ready; to ask for a thing twice costs nothing.
        some += some[-1:] * (ASKED_AT_ONCE - len(some))
        rows = connection.execute(_AMONG, (season, *some))
        found.update(each["fingerprint"] for each in rows)
    return frozenset(found)


def add_public(connection: sqlite3.Connection, texts: Mapping[str, Collection[int]]) -> None:
    """Write fingerprints of list posts, by season. In their own order: neighbours lie in one page."""
    for season, fingerprints in texts.items():
        ordered = sorted(set(fingerprints))
        whole = len(ordered) - len(ordered) % WRITTEN_AT_ONCE
        for start in range(0, whole, WRITTEN_AT_ONCE):
            # One statement, so that SQLite does not wait for the interpreter at every row.
            connection.execute(_ADD, (season, *ordered[start : start + WRITTEN_AT_ONCE]))
        connection.executemany(_ADD_ONE, ((season, each) for each in ordered[whole:]))


def known_lists(connection: sqlite3.Connection) -> tuple[KnownList, ...]:
    """From when on lists are known, in every season's marks."""
    rows = connection.execute("SELECT season, list, time FROM known_since")
    return tuple(KnownList(each["season"], each["list"], time_of(each["time"])) for each in rows)


def note_known(connection: sqlite3.Connection, lists: Iterable[KnownList]) -> None:
    """Keep the earlier time of each."""
    connection.executemany(
        "INSERT INTO known_since VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET time = min(time, excluded.time)",
        [(each.season, each.list, number_of(each.since)) for each in lists],
    )


def forget(
    connection: sqlite3.Connection, before: datetime, week: str, season: str, remember: Remember, most: int
) -> int:
    """Delete at most `most` mails before `before` or of a week before `week`, as many texts of seasons before `season`
    and readers of a week before `week`, and as much of what `remember` does not keep any more; returns how many rows
    are gone or changed."""
    gone = connection.execute(
        f"DELETE FROM mails WHERE ({_PRIMARY}) IN "
        f"(SELECT {_PRIMARY} FROM mails WHERE time < ? OR week < ? ORDER BY time LIMIT ?)",
        (number_of(before), week, most),
    ).rowcount
    gone += connection.execute(
        "DELETE FROM public_texts WHERE (season, fingerprint) IN "
        "(SELECT season, fingerprint FROM public_texts WHERE season < ? LIMIT ?)",
        (season, most),
    ).rowcount
    gone += connection.execute("DELETE FROM known_since WHERE season < ?", (season,)).rowcount
    gone += connection.execute(
        "DELETE FROM readers WHERE (account, list) IN (SELECT account, list FROM readers WHERE week < ? LIMIT ?)",
        (week, most),
    ).rowcount
    private = f"SELECT {_PRIMARY} FROM mails WHERE flags & {_OF_LIST} = 0"
    if not remember.threads:
        gone += connection.execute(f"DELETE FROM mails WHERE ({_PRIMARY}) IN ({private} LIMIT ?)", (most,)).rowcount
    elif not remember.texts:
        worded = f"{private} AND length(fingerprints) > 0 LIMIT ?"
        gone += connection.execute(
            f"UPDATE mails SET fingerprints = x'' WHERE ({_PRIMARY}) IN ({worded})", (most,)
        ).rowcount
    return gone


def flags_of(mail: RememberedMail) -> int:
    """What is true of a mail, as the column `flags` has it."""
    flags = mail.own * _OWN | mail.consent * _CONSENT | mail.no_forward * _NO_FORWARD
    return flags | mail.of_list * _OF_LIST


def mail_of(row: sqlite3.Row | Mapping[str, Any]) -> RememberedMail:
    """The mail that a whole row of `mails` holds."""
    flags = row["flags"]
    return RememberedMail(
        week=row["week"],
        when=time_of(row["time"]),
        mailbox=row["mailbox"],
        thread=row["thread"],
        authors=_parted(row["authors"]),
        audience=_parted(row["audience"]),
        subject=row["topic"],
        message=row["message"],
        conversation=row["conversation"],
        own=bool(flags & _OWN),
        consent=bool(flags & _CONSENT),
        no_forward=bool(flags & _NO_FORWARD),
        of_list=bool(flags & _OF_LIST),
        fingerprints=row["fingerprints"],
    )


def _parted(marks: Sequence[int] | bytes) -> tuple[bytes, ...]:
    octets = bytes(marks)
    return tuple(octets[start : start + _PERSON_OCTETS] for start in range(0, len(octets), _PERSON_OCTETS))
