"""Tags: keyed hashes by which a second copy of a held mail is recognised without opening the first (THREAT-MODEL T-02).

Every part of what is hashed has its length before it, so that no two different sets of parts give one tag. The key is
the week key; without it a tag can be neither guessed nor compared with those of another week. There is never a tag of
recipients alone: addresses are few enough to be tried one after the other.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable, Sequence

from smtpguard.held import Tags
from smtpguard.mail.address import Address
from smtpguard.mail.message import Account
from smtpguard.sketch import alike, sketch_of

# A tag's own name is its first part: a Subject can never be taken for a Message-ID.
_RESEND = b"smtpguard resend tag v1"
_ACCOUNT = b"smtpguard account tag v1"
_MESSAGE = b"smtpguard message tag v1"
_ASKER = b"smtpguard asker mark v1"
_SUBJECT = b"smtpguard subject tag v1"


def resend_tag(
    week_key: bytes, account: Account, recipients: Iterable[Address], message_id: str | None, content: bytes
) -> bytes | None:
    """The tag of an identical re-send (12-15): same account, recipients, Message-ID and content.

    `content` is the content's digest (seal.content_digest). Order, repetition and spelling of recipients do not matter.
    None without a Message-ID: an absent one matches nothing.
    """
    if not message_id:
        return None
    normal = sorted({each.normal for each in recipients})
    return _tag(week_key, _RESEND, *_who(account), _octets(message_id), content, *(_octets(each) for each in normal))


def account_tag(week_key: bytes, account: Account) -> bytes:
    """The tag of one member: of the mailbox, or of the login where there is none (SEMANTICS c1, "same account")."""
    return _tag(week_key, _ACCOUNT, *_who(account))


def asker_mark(day_key: bytes, account: Account) -> bytes:
    """The mark under which the notices of one day to an account are counted; it goes with the day key."""
    return _tag(day_key, _ASKER, *_who(account))


def message_tag(week_key: bytes, message_id: str | None) -> bytes | None:
    """The tag of a Message-ID; None if there is none."""
    return _tag(week_key, _MESSAGE, _octets(message_id)) if message_id else None


def subject_tag(week_key: bytes, base_subject: str) -> bytes | None:
    """The tag of a base Subject (without Re: and Fwd:), whatever its case and blanks; None if it is empty."""
    words = unicodedata.normalize("NFC", base_subject).casefold().split()
    return _tag(week_key, _SUBJECT, _octets(" ".join(words))) if words else None


def tags_of(
    week: str,
    week_key: bytes,
    *,
    account: Account,
    recipients: Iterable[Address],
    message_id: str | None,
    content: bytes,
    base_subject: str = "",
    words: Sequence[str] = (),
) -> Tags:
    """The tags of a mail held in `week`; `content` is the content's digest, `words` are those of its own text.

    Without words there is neither a tag of the Subject nor a sketch: nothing then corrects this mail (12-14).
    """
    sketch = sketch_of(week_key, words)
    return Tags(
        week=week,
        resend=resend_tag(week_key, account, recipients, message_id, content),
        account=account_tag(week_key, account),
        message_id=message_tag(week_key, message_id),
        subject=subject_tag(week_key, base_subject) if sketch is not None else None,
        sketch=sketch,
    )


def is_corrected_by(held: Tags, sketch: bytes) -> bool:
    """12-14: True if a mail with this sketch is the one with the tags `held`, corrected. Account and base Subject must
    be known to be the same, and the week key, too."""
    return held.sketch is not None and alike(sketch, held.sketch)


def _who(account: Account) -> tuple[bytes, bytes]:
    if account.mailbox is not None:
        return b"mailbox", _octets(account.mailbox.normal)
    return b"login", _octets(account.login)


def _octets(text: str) -> bytes:
    # Text from a mail can hold lone surrogates; this way two different texts stay different.
    return text.encode("utf-8", "surrogatepass")


def _tag(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104) over the parts, each behind its length in 8 octets."""
    keyed = hmac.new(key, digestmod="sha256")
    for part in parts:
        keyed.update(len(part).to_bytes(8, "big"))
        keyed.update(part)
    return keyed.digest()
