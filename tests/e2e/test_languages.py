"""Hold, notice and answer by mail in two languages: a German member of an English site, and a German site.

Notices are read in the member's mailbox and answered by real mail programs, which quote them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clock import later
from tests.e2e.guard import Guard
from tests.e2e.mail_programs import by_msmtp
from tests.e2e.replying import Answering, Desk
from tests.e2e.scene import Scene, is_as_sent, once
from tests.e2e.stack import GUARD_ADDRESS, Letter, Stack
from tests.e2e.writing import REPORT, letter, new_subject, reworded
from tests.ports import free_port, wait_until

pytestmark = pytest.mark.e2e

BOTH = ("berlin", "brandenburg")
GERMAN_MEMBER: dict[str, Any] = {
    "languages": ["en", "de"],
    "accounts": {"anna": {"mailbox": "anna@example.test", "language": "de"}},
}
GERMAN_SITE: dict[str, Any] = {
    "languages": ["de"],
    "organisation": "Verein Beispiel",
    "rules": {"12": "Eine Nachricht gehört auf eine Liste."},
}
SWEPT = 120.0  # seconds; a guard sweeps every 20
EXPIRED = "Nicht gesendet"
CODE = re.compile(r"mailcheck\+([A-Z2-7]{52})@check\.example\.test")


@pytest.fixture(scope="module")
def english_site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Where Anna wants German, and nobody else has said anything."""
    with Guard(stack, tmp_path_factory.mktemp("english"), changes=GERMAN_MEMBER) as guard:
        yield guard


@pytest.fixture(scope="module")
def german_site(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    folder = tmp_path_factory.mktemp("german")
    with Guard(stack, folder, changes=GERMAN_SITE, answers=free_port()) as guard:
        yield guard


@pytest.fixture(params=["english_site", "german_site"])
def anna(request: pytest.FixtureRequest, stack: Stack) -> Scene:
    """Anna, who is written to in German either way."""
    return Scene(stack, request.getfixturevalue(request.param))


@pytest.fixture
def desk(anna: Scene, tmp_path: Path) -> Desk:
    return Desk(anna.stack, tmp_path, anna.guard.submission, anna.member)


def hold(scene: Scene, subject: str, content: bytes | None = None) -> Letter:
    """Send to both lists by msmtp; the notice, in German."""
    sent = content or scene.write(subject, *BOTH)
    assert scene.send(sent, *BOTH, by=by_msmtp).code == 250
    [notice] = scene.stack.wait_for(scene.member, subject=f"NOCH NICHT GESENDET: „{subject}“")
    return notice


def told(scene: Scene, subject: str) -> Letter:
    [found] = scene.stack.wait_for(scene.member, subject=subject)
    return found


def html(notice: Letter) -> str:
    part = notice.message.get_body(("html",))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


def links(notice: Letter) -> dict[str, str]:
    """The mailto: links of the HTML part, by the word that they answer with."""
    found = [unescape(each) for each in re.findall(r'href="(mailto:[^"]*)"', html(notice))]
    return {each.rpartition("body=")[2]: each for each in found}


def read(text: str) -> str:
    """A text in one line."""
    return " ".join(text.split())


def nameless(scene: Scene, subject: str) -> list[Letter]:
    """Mails of the guard whose subject names no mail."""
    return [each for each in scene.stack.inbox(scene.member) if each.subject == subject]


def code_of(notice: Letter) -> str:
    found = CODE.fullmatch(str(notice.message["Reply-To"]).strip("<>"))
    assert found is not None
    return found[1]


@dataclass(frozen=True)
class Aged:
    """A German site where one has two hours to answer, three hours after two mails were held there.

    One of them, `again`, came a second time when an hour had gone by (row 12-15), and was answered then; the other,
    `silent`, was not. `line` is how often Anna had been told of an expiry before.
    """

    anna: Scene
    again: str
    silent: str
    old: Letter
    new: Letter
    gone: Letter
    line: int


@pytest.fixture(scope="module")
def aged(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aged]:
    """Asked for by the first test and by the last: a guard sweeps every 20 s, and meanwhile the others run."""
    again, silent, folder, port = new_subject(), new_subject(), tmp_path_factory.mktemp("aged"), free_port()
    changes = {**GERMAN_SITE, "defaults": {"expires": "2h"}}

    def site(hours: int) -> Guard:
        return Guard(stack, folder, changes=changes, environment=later(timedelta(hours=hours)), answers=port)

    with site(0) as guard:
        anna = Scene(stack, guard)
        sent = anna.write(again, *BOTH)
        old = hold(anna, again, sent)
        hold(anna, silent)
        before = {each: len(nameless(anna, each)) for each in (EXPIRED, "Schon erledigt")}

    with site(1) as guard:
        anna = Scene(stack, guard)
        assert anna.send(sent, *BOTH).code == 250
        _, new = stack.wait_for("anna", subject=f"NOCH NICHT GESENDET: „{again}“", count=2)
        assert anna.answer(old, "SENDEN").code == 250
        gone = stack.wait_for("anna", subject="Schon erledigt", count=before["Schon erledigt"] + 1)[-1]
        assert anna.answer(new, "NUR 1").code == 250
        told(anna, f"Gesendet: „{again}“")

    with site(3) as guard:
        yield Aged(Scene(stack, guard), again, silent, old, new, gone, before[EXPIRED])


def test_what_is_sent_again_waits_under_a_new_code(stack: Stack, aged: Aged) -> None:
    assert "Die Mail kam noch einmal. Jetzt gilt nur der Code in dieser Nachricht." in read(aged.new.text)
    assert code_of(aged.new) != code_of(aged.old)
    assert "die Mail kam noch einmal, und die neuere Nachricht gilt." in read(aged.gone.text)
    assert aged.anna.counts(aged.again) == once(stack, "berlin")


def test_the_notice_says_the_same_in_german_in_both_parts(anna: Scene) -> None:
    notice = hold(anna, new_subject())

    assert notice.message.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in notice.message.iter_parts()] == ["text/plain", "text/html"]
    assert '<html lang="de"' in html(notice)
    seen = read(unescape(re.sub(r"(?s)<style>.*?</style>|<[^>]*>", " ", html(notice))))
    for words in (
        "Guten Tag Anna,",
        "ist noch bei niemandem angekommen.",
        "Grund: Die Mail geht an zwei Listen, und die meisten Mails gehören auf eine (Regel 12).",
        "an brandenburg senden, nicht an berlin",
        "die Mail an mich zurückschicken und vergessen",
    ):
        assert words in read(notice.text)
        assert words in seen
    code = code_of(notice)
    assert {code} == set(CODE.findall(html(notice).replace("%2B", "+")))
    assert [*links(notice)] == ["NUR%201", "NUR%202", "SENDEN", "VERWERFEN", "ZUR%C3%9CCK"]
    assert code in re.sub(r"[-\s]|code:", "", notice.text)


def test_the_german_site_puts_its_rules_in_its_own_words(stack: Stack, german_site: Guard) -> None:
    notice = hold(Scene(stack, german_site), new_subject())

    assert "Unsere Regel 12: Eine Nachricht gehört auf eine Liste." in read(notice.text)
    assert "Verein Beispiel, Mail-Check" in notice.text
    assert notice.message["From"] == f"Mail-Check <{GUARD_ADDRESS}>"


def test_others_at_the_english_site_are_written_to_in_english(stack: Stack, english_site: Guard) -> None:
    subject, ben = new_subject(), Scene(stack, english_site, "ben")
    notice = ben.hold(subject, *BOTH)

    assert "ONLY 1     send it to berlin, not to brandenburg" in notice.text
    # German is a language of the site, so its words are understood from everybody.
    assert ben.answer(notice, "Nur 1").code == 250
    assert "has been sent to berlin@" in ben.told("Sent", subject).text
    assert ben.counts(subject) == once(stack, "berlin")


@pytest.mark.parametrize("by", [Desk.by_mutt, Desk.by_s_nail], ids=["mutt", "s-nail"])
def test_nur_2_above_the_quoted_notice_sends_it_to_the_second_list_alone(
    stack: Stack, anna: Scene, desk: Desk, by: Answering
) -> None:
    subject = new_subject()
    notice = hold(anna, subject)

    by(desk, notice, "nur 2")

    result = read(told(anna, f"Gesendet: „{subject}“").text)
    assert f"„{subject}“ wurde an brandenburg@lists.example.test gesendet." in result
    assert "Nicht gesendet an berlin@lists.example.test." in result
    assert "Das waren nicht Sie?" in result
    assert anna.counts(subject) == once(stack, "brandenburg")
    assert code_of(notice) not in stack.mail_log()


def test_senden_sends_it_to_both_and_a_second_answer_reads_that_it_is_done(
    stack: Stack, anna: Scene, desk: Desk
) -> None:
    subject = new_subject()
    before = len(nameless(anna, "Schon erledigt"))
    notice = hold(anna, subject)

    desk.by_s_nail(notice, "Senden!")

    told(anna, f"Gesendet: „{subject}“")
    assert anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}
    assert anna.answer(notice, "VERWERFEN").code == 250
    gone = stack.wait_for("anna", subject="Schon erledigt", count=before + 1)[-1]
    assert "die Mail wurde gesendet." in gone.text
    assert anna.counts(subject) == {"anna": 2, "ben": 1, "clara": 2, "dora": 1}


def test_a_press_on_the_link_verwerfen_throws_it_away(anna: Scene, desk: Desk) -> None:
    subject = new_subject()
    notice = hold(anna, subject)

    desk.by_link(links(notice)["VERWERFEN"])

    assert f"„{subject}“ ist weggeworfen und wurde nicht gesendet." in told(anna, f"Weggeworfen: „{subject}“").text
    assert anna.got(subject) == {}


def test_zurueck_returns_the_original_to_the_octet(anna: Scene, desk: Desk) -> None:
    subject = new_subject()
    sent = letter(anna.member, anna.addresses(*BOTH), subject, b"Gr=FC=DFe.\r\n.\r\n..zwei  \r\n\r\nFrom hier\r\n\r\n")
    notice = hold(anna, subject, sent)

    desk.by_mutt(notice, "Zurück, bitte.")  # more than the word alone is no choice
    stack, waits = anna.stack, "Ihre Mail wartet noch"
    helped = stack.wait_for("anna", subject=waits)[-1]
    assert "Bitte dort eines davon schreiben: NUR 1, NUR 2, SENDEN, VERWERFEN, ZURÜCK." in read(helped.text)
    desk.by_mutt(notice, "Zurück.")

    returned = told(anna, f"Ihre Mail „{subject}“, zurück an Sie")
    assert "Hier ist Ihre Mail, so wie sie bei uns ankam." in returned.text
    [attached] = returned.message.iter_attachments()
    assert attached.get_content_type() == "message/rfc822"
    part = returned.content.split(b"\r\n--" + returned.message.get_boundary("").encode())[2]
    assert part.partition(b"\r\n\r\n")[2] == sent
    assert anna.got(subject) == {}


def test_the_english_word_counts_under_a_german_notice(stack: Stack, anna: Scene) -> None:
    subject = new_subject()

    assert anna.answer(hold(anna, subject), "only 1").code == 250

    told(anna, f"Gesendet: „{subject}“")
    assert anna.counts(subject) == once(stack, "berlin")


def test_a_corrected_copy_ends_the_one_that_waits_and_says_so_in_german(stack: Stack, anna: Scene) -> None:
    subject, ended = new_subject(), "Nicht gesendet: die frühere Fassung Ihrer Mail"
    before = len(nameless(anna, ended))
    notice = hold(anna, subject, letter(anna.member, anna.addresses(*BOTH), subject, REPORT))

    corrected = letter(anna.member, anna.addresses("berlin", "emil"), subject, reworded(REPORT))
    assert "queued as" in anna.send(corrected, "berlin", "emil").text

    line = stack.wait_for("anna", subject=ended, count=before + 1)[-1]
    assert "Die frühere ist weggeworfen und wurde nicht gesendet." in read(line.text)
    assert is_as_sent(anna.got(subject)["emil"][0].content, corrected)
    assert anna.answer(notice, "SENDEN").code == 250
    assert anna.counts(subject) == once(stack, "berlin") | {"emil": 1}


def test_what_nobody_answers_expires_with_one_line(aged: Aged) -> None:
    anna = aged.anna
    wait_until("the line of an expiry", lambda: len(nameless(anna, EXPIRED)) > aged.line, SWEPT)

    line = nameless(anna, EXPIRED)[-1]
    assert re.search(r"Ihre Mail vom .* wurde nicht gesendet\. Bis .* kam keine Antwort", read(line.text))
    assert aged.silent not in line.content.decode()
    assert anna.got(aged.silent) == {}
    assert len(nameless(anna, EXPIRED)) == aged.line + 1
