"""Mail that no person wrote as an answer, told by its header alone: it never decides (SEMANTICS c6).

Stricter than 90-01, because here the price of a mistake is a mail that was sent unasked on one side, and on the other a
member whose answer has no effect: so there is no mark here that a mail program sets on what people write, but
X-Auto-Response-Suppress, which asks for no answer and must get none.
"""

from __future__ import annotations

import re

from smtpguard.mail.message import Message

# Header fields of responders that RFC 3834 did not reach: procmail's habit, OTRS, RT, rules of Exchange's mailboxes,
# Exim's bounces, the precedence of cPanel; and of what was passed on (RFC 5322, 3.6.6), which is nobody's answer here.
_FIELDS = re.compile(
    rb"(?im)^(?:Resent-[a-z-]{1,20}|X-Auto-Response-Suppress|X-Loop|X-OTRS-Loop|X-RT-Loop-Prevention|X-MS-Exchange-Inbox-Rules-Loop|"
    rb"X-MS-Exchange-Parent-Message-Id|X-Failed-Recipients|X-Precedence)[ \t]*:"
)
# A receipt or a bounce that is no multipart/report as it should be (RFC 8098, RFC 3464) still has the part.
_REPORT_PART = re.compile(rb"(?im)^Content-Type[ \t]*:\s{0,80}message/(?:disposition-notification|delivery-status)\b")
# Mailboxes in From: behind which nobody sits.
_NOBODY = frozenset(
    (
        "mailer-daemon", "mail-daemon", "maildaemon", "autoresponder", "autoresponse", "auto-responder", "autoreply",
        "auto-reply", "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply", "vacation",
    )
)  # fmt: skip
# How Outlook, Exchange, Notes and web mailers begin the subject of absence notes and receipts, in lower case. An answer
# to one of these begins with "Re:".
_SUBJECTS = (
    # absence
    "automatic reply", "auto reply", "autoreply", "auto-reply", "auto response", "auto-response", "out of office",
    "out of the office", "away from my mail", "vacation", "auto:", "automatische antwort", "abwesenheitsnotiz",
    "abwesenheit:", "réponse automatique", "absence du bureau", "absent du bureau", "respuesta automática",
    "fuera de la oficina", "fuera de oficina", "risposta automatica", "fuori sede", "automatisch antwoord",
    "afwezigheidsbericht", "resposta automática", "ausência temporária", "autosvar", "automatiskt svar",
    "automatisk svar", "frånvaro", "fravær", "automaattinen vastaus", "poissa", "odpowiedź automatyczna",
    "autoodpowiedź", "automatická odpověď", "automatikus válasz", "автоматический ответ", "автоматична відповідь",
    "otomatik yanıt", "自動応答", "自動返信", "自动答复", "自動回覆", "자동 회신",
    # receipts
    "read:", "not read:", "gelesen:", "ungelesen gelöscht:", "lu :", "lu:", "leído:", "letto:", "gelezen:", "lido:",
    "läst:", "lest:", "læst:", "luettu:", "przeczytano:", "přečteno:", "прочитано:", "return receipt",
    "lesebestätigung", "empfangsbestätigung", "accusé de réception",
    # bounces
    "undeliverable:", "undelivered mail", "unzustellbar:", "non remis", "no se puede entregar", "delivery status",
    "mail delivery failed", "failure notice", "delayed mail",
)  # fmt: skip


def is_automatic(message: Message, octets: bytes) -> bool:
    """Whether an answer comes from a program. `octets` are the message's, with CRLF or LF lines."""
    if message.automatic is not None or message.report:
        return True
    if any(each.local_part.lower() in _NOBODY for each in message.authors):
        return True
    if " ".join(message.subject.lower().split()).startswith(_SUBJECTS):
        return True
    end = min((at for at in (octets.find(b"\r\n\r\n"), octets.find(b"\n\n")) if at >= 0), default=len(octets))
    return _FIELDS.search(octets, 0, end) is not None or _REPORT_PART.search(octets) is not None
