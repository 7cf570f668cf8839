"""The safe: sealing and opening held mail with the key of the day, and its tags with the key of the week.

The cryptography is in `seal.py`, the keys are in `keys.py`; here they come together, in a thread, since one touches
megabytes and the other the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from smtpguard import maillog
from smtpguard.answers.token import Token
from smtpguard.fingerprints import words_of
from smtpguard.held import Card, HeldMail, HeldRow, State, Tags
from smtpguard.key_file import KeyFolderError
from smtpguard.keys import KeyElsewhereError, KeyFolder
from smtpguard.mail.message import Account
from smtpguard.mail.subjects import base_subject
from smtpguard.seal import NONCE_OCTETS, SealError, content_digest, hold_id, open_box, open_card, seal, seal_card
from smtpguard.sealed_mail import UnreadableError, card_from_octets, card_to_octets, mail_from_octets, mail_to_octets
from smtpguard.tags import account_tag, asker_mark, resend_tag, tags_of

# Keys go by the day, with an hour's grace. A node whose clock is further from the store's than this would seal under a
# key that the others erase, or erase one that they still use.
CLOCKS_APART_MAX = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tags for a new row. `resends` are all under which the same mail may wait already (12-15), `accounts` all
    under which other mail of its account may wait: one for each week that has a key."""

    tags: Tags
    resends: tuple[bytes, ...]
    accounts: tuple[bytes, ...]


class Safe:
    """Seals and opens. `random_octets` gives n octets fit for keys and nonces; `today` is the present UTC day."""

    def __init__(
        self,
        keys: KeyFolder,
        random_octets: Callable[[int], bytes],
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._keys = keys
        self._random = random_octets
        self._by_the_clock = today
        self._apart = timedelta(0)

    def compare_clocks(self, own: datetime, stores: datetime) -> None:
        """The time here and in the store. If they are far apart, nothing is sealed until they agree."""
        former, self._apart = self.clock_is_wrong, abs(own - stores)
        if self.clock_is_wrong and not former:
            maillog.warning("nothing can be held", why=self._wrong())

    @property
    def clock_is_wrong(self) -> bool:
        """True if this node's clock and the store's are far apart."""
        return self._apart > CLOCKS_APART_MAX

    def _wrong(self) -> str:
        return f"the clocks of this node and of the database are {self._apart // timedelta(minutes=1)} minutes apart"

    def _today(self) -> date:
        if self.clock_is_wrong:
            raise KeyFolderError(self._wrong())
        return self._by_the_clock()

    def hold_id(self, token: Token) -> bytes:
        """The id of the row that `token` belongs to."""
        return hold_id(token.octets)

    async def tags(
        self, held: HeldMail, message_id: str | None, typed: bytes | None = None, own_text: str | None = None
    ) -> Tagged:
        """The tags for a new row, and those of former weeks.

        `typed` is what of its content a second copy has, too; None: all of it. `own_text` makes the sketch of 12-14;
        None: there shall be none. A mail may have been held in an earlier week, under that week's key. Raises
        KeyFolderError if the key folder cannot be used.
        """
        wire = held.wire if typed is None else typed
        return await asyncio.to_thread(self._tags, held, message_id, wire, own_text or "")

    def _tags(self, held: HeldMail, message_id: str | None, typed: bytes, own_text: str) -> Tagged:
        week, key = self._keys.present_week(self._today())
        digest = content_digest((typed,))
        recipients = [path.address for path in held.envelope.recipients if path.address is not None]
        tags = tags_of(
            week,
            key,
            account=held.account,
            recipients=recipients,
            message_id=message_id,
            content=digest,
            base_subject=base_subject(held.subject),
            words=words_of(own_text),
        )
        known, accounts = [tags.resend], [tags.account]
        for former in self._keys.weeks():
            former_key = self._keys.week_key(former) if former != week else None
            if former_key is not None:
                known.append(resend_tag(former_key, held.account, recipients, message_id, digest))
                accounts.append(account_tag(former_key, held.account))
        return Tagged(tags, tuple(each for each in known if each is not None), tuple(accounts))

    async def asker(self, account: Account) -> tuple[bytes, date]:
        """The mark under which today's notices to an account are counted, and the day. Raises KeyFolderError."""
        day, key = await asyncio.to_thread(self._keys.present_day, self._today())
        return asker_mark(key, account), day

    async def week_key(self, week: str) -> bytes | None:
        """The key of the tags of `week`, None if it is gone. Raises KeyFolderError."""
        return await asyncio.to_thread(self._keys.week_key, week)

    async def seal(self, held: HeldMail, token: Token, tags: Tags, *, notice_id: str, language: str) -> HeldRow:
        """The row of a new hold, in state `asking`. Raises KeyFolderError if the key folder cannot be used."""
        return await asyncio.to_thread(self._seal, held, token, tags, notice_id, language)

    def _seal(self, held: HeldMail, token: Token, tags: Tags, notice_id: str, language: str) -> HeldRow:
        day, key = self._keys.present_day(self._today())
        assert held.account.mailbox is not None  # noqa: S101 - c1a, step 9
        row_id = hold_id(token.octets)
        card = Card(held.account.mailbox, language, notice_id, held.arrived)
        box = seal(
            mail_to_octets(held),
            token=token.octets,
            day_key=key,
            nonce=self._random(NONCE_OCTETS),
            expires=held.expires,
        )
        sealed_card = seal_card(
            card_to_octets(card), hold_id=row_id, day_key=key, nonce=self._random(NONCE_OCTETS), expires=held.expires
        )
        return HeldRow(
            id=row_id,
            state=State.ASKING,
            day=day,
            created=datetime.now(UTC),
            expires=held.expires,
            size=len(held.wire),
            box=box,
            card=sealed_card,
            tags=tags,
        )

    async def open(self, row: HeldRow, token: Token) -> HeldMail | None:
        """The held mail, or None if the seal does not open: the day key is gone, or the box is not what it was.

        Raises KeyFolderError, also if the day key is with a node that is away.
        """
        return await asyncio.to_thread(self._open, row, token)

    def _open(self, row: HeldRow, token: Token) -> HeldMail | None:
        key = self._keys.day_key(row.day) if row.day is not None else None
        if key is None or row.expires is None:
            return None
        try:
            return mail_from_octets(open_box(row.box, token=token.octets, day_key=key, expires=row.expires))
        except (SealError, UnreadableError):
            return None

    async def open_card(self, row: HeldRow) -> Card | None:
        """Whom to tell of an expiry, or None if the day key is gone, or away. Raises KeyFolderError."""
        return None if row.day is None else (await self.open_cards(row.day, (row,))).get(row.id)

    async def open_cards(self, day: date, rows: Sequence[HeldRow]) -> Mapping[bytes, Card]:
        """The same of several rows of `day`, by id, those left out that do not open."""
        return await asyncio.to_thread(self._open_cards, day, rows)

    def _open_cards(self, day: date, rows: Sequence[HeldRow]) -> dict[bytes, Card]:
        try:
            key = self._keys.day_key(day)
        except KeyElsewhereError:
            return {}
        if key is None:
            return {}
        opened = ((row.id, _card(row, key)) for row in rows)
        return {id_: card for id_, card in opened if card is not None}


def _card(row: HeldRow, key: bytes) -> Card | None:
    if row.expires is None:
        return None
    try:
        return card_from_octets(open_card(row.card, hold_id=row.id, day_key=key, expires=row.expires))
    except (SealError, UnreadableError):
        return None
