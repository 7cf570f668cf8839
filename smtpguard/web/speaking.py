"""What the page says: each answer is a whole page in one language, made of the texts in section `page` and of those
that the result mails have as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from smtpguard.answers.choice import LINE_CHARACTERS_MAX, Word
from smtpguard.answers.token import CODE_TEXT_MAX, Token
from smtpguard.deciding import Done, Effect, Gone, Waiting
from smtpguard.held import HeldMail, State
from smtpguard.notices.choices import LISTS_SHOWN_MAX as LISTS_OFFERED_MAX
from smtpguard.notices.harmless import harmless, name_of, names_of
from smtpguard.notices.languages import Language
from smtpguard.notices.letter import clean_line
from smtpguard.notices.sections import closing, opening, subject_of
from smtpguard.notices.site import Refusal, Site
from smtpguard.web.contents import Contents
from smtpguard.web.rendering import page
from smtpguard.web.seen import seen
from smtpguard.web.shown import (
    LISTS_SHOWN_MAX,
    RECIPIENTS_SHOWN_MAX,
    offers_of,
    recipients_of,
    size_of,
)

# The words of a mail server that are shown of each refusal, as in the mail that tells of it.
WORDS_CHARACTERS_MAX = 300
REFUSALS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Speaker:
    """Says things in `language`. `answers`: this page takes codes; `acts`: it also decides; `sends`: it can release."""

    language: Language
    site: Site
    answers: bool = True
    acts: bool = True
    sends: bool = True

    def enter(self) -> Response:
        """The form that takes a code."""
        return self._page("enter", "enter", code_max=CODE_TEXT_MAX)

    def told(self, what: str, status: int = 200, *, code: str | None = None) -> Response:
        """A page of one title and one sentence, "later"; with `code` there is a button to look at the mail again."""
        return self._told(what, [self._text(f"page.{what}_body")], status, code=code)

    def gone(self, gone: Gone) -> Response:
        """What became of a mail, and when."""
        when = self.language.moment(gone.when, self.site.zone) if gone.when is not None else ""
        return self._told("gone", [self._text(f"gone.{gone.state.value}", when=when)])

    def view(self, token: Token, waiting: Waiting, contents: Contents, now: datetime, alert: str | None) -> Response:
        """The held mail, and its choices; `alert` is the text that says why nothing was done."""
        held, language = waiting.held, self.language
        said = opening(held, language, False) | closing(self.site, held, language)
        return self._page(
            "view",
            "view",
            status=200 if alert is None else 422,
            alert=None if alert is None else self._text(f"page.view_{alert}"),
            wrong_word=alert == "not_understood",
            code=token.code,
            seen=seen(token, waiting.row, now),
            subject=language.quoted(subject_of(held, language)),
            said=said,
            interrupted=waiting.row.state is State.SENDING,
            lists=[
                {"number": each.number, "id": name_of(each.id), "about": harmless(each.about)}
                for each in held.lists[:LISTS_SHOWN_MAX]
            ],
            more_lists=len(held.lists[LISTS_SHOWN_MAX:]),
            offers=offers_of(held, language, sends=self.sends),
            unnamed=self._unnamed(held),
            acts=self.acts,
            session_only=not self.sends,
            word_max=LINE_CHARACTERS_MAX,
            arrived=language.moment(held.arrived, self.site.zone),
            recipients=recipients_of(held),
            more_recipients=len(held.envelope.recipients[RECIPIENTS_SHOWN_MAX:]),
            contents=contents,
            files=[(each.name, size_of(each, language)) for each in contents.files],
        )

    def effect(self, effect: Effect, held: HeldMail, code: str) -> Response:
        """What a choice came to."""
        subject = subject_of(held, self.language)
        match effect.done:
            case Done.SENT:
                return self._sent(effect, subject)
            case Done.DISCARDED:
                return self._told("discarded", [self._text("discarded.body", subject=subject), *self._cut_off(effect)])
            case Done.BACK:
                return self._told("back", [self._text("page.back_body"), *self._cut_off(effect)])
            case Done.REFUSED:
                deadline = self.language.moment(held.expires, self.site.zone)
                afterwards = [self._text("page.refused_waiting", deadline=deadline), *self._cut_off(effect)]
                said = [self._text("refused.body", subject=subject)]
                return self._told("refused", said, refused=effect.refused, afterwards=afterwards, code=code)
            case Done.UNSURE:
                return self.told("unsure", code=code)
            case Done.NO_SESSION:
                return self._told("later", [self._text("page.view_session_only")], code=code)
            case Done.LATER:
                return self.told("later", 503, code=code)

    def _sent(self, effect: Effect, subject: str) -> Response:
        named = self.language.named
        said = [self._text("sent.body", subject=subject, recipients=named(names_of(effect.sent_to)))]
        if effect.not_sent_to:
            said.append(self._text("sent.left_out", recipients=named(names_of(effect.not_sent_to))))
        if effect.refused:
            said.append(self._text("sent.refused"))
        twice = [self._text("sent.twice")] if effect.interrupted else []
        return self._told("sent", said, refused=effect.refused, afterwards=[*twice, self._text("page.told")])

    def _cut_off(self, effect: Effect) -> list[str]:
        return [self._text("back.gone_out")] if effect.interrupted else []

    def _unnamed(self, held: HeldMail) -> str | None:
        """That lists without a line of their own can be chosen, too."""
        if len(held.lists) <= LISTS_OFFERED_MAX:
            return None
        only = self.language.word(Word.ONLY)
        return self._text("held.unnamed", first=f"{only} {LISTS_OFFERED_MAX + 1}", last=f"{only} {len(held.lists)}")

    def _told(
        self,
        what: str,
        paragraphs: Sequence[str],
        status: int = 200,
        *,
        refused: Sequence[Refusal] = (),
        afterwards: Sequence[str] = (),
        code: str | None = None,
    ) -> Response:
        said = [
            {"recipient": name_of(each.recipient), "words": clean_line(each.words, WORDS_CHARACTERS_MAX)}
            for each in refused[:REFUSALS_SHOWN_MAX]
        ]
        return self._page(
            "told", what, status=status, paragraphs=paragraphs, refused=said, afterwards=afterwards, code=code
        )

    def _page(self, template: str, what: str, *, status: int = 200, **facts: object) -> Response:
        title = self._text(f"page.{what}_title")
        return page(template, self.language, self.site, title, answers=self.answers, status=status, **facts)

    def _text(self, name: str, **facts: object) -> str:
        return self.language.text(name, **facts)
