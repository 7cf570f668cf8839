"""What a client reads when the guard itself decides: one line of ASCII, with the essential words in it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard import outcomes
from smtpguard.config.texts import shipped, shipped_wordings
from smtpguard.mail.message import UNASKABLE, Account
from smtpguard.mail.reply import Reply, ReplyParser
from smtpguard.notices.folding import folded
from smtpguard.notices.sections import RULES_OF
from smtpguard.outcomes import Phrase, Reader
from smtpguard.verdict import Action, Finding, Verdict
from tests.notices.samples import FORBIDDEN, SITE
from tests.notices.test_texts import rows_that_alarm

ENGLISH = Reader(shipped().of("en"))
DISCREET = replace(ENGLISH, discreet=True)
LANGUAGES = shipped().codes
OWN = {name: value for name, value in vars(outcomes).items() if isinstance(value, Reply)}
PHRASES = {name: value for name, value in vars(outcomes).items() if isinstance(value, Phrase)}
# With the reasons of a verdict in them.
REASONED = ("NO_NOTICE", "NOT_CARRIED", "ASKED_TOO_OFTEN", "ASKED_TOO_OFTEN_TODAY", "TOO_MUCH_WAITS", "_REFUSED")
NOT_ASKED = ("90-01", "90-02", "90-05", "90-06", "90-08")
CROSSPOST = Finding("12-02", "crosspost", lists=("berlin", "all-members"))
HIDDEN = Finding("12-10", "hidden_list", lists=("berlin",))
FORWARD = Finding("11-08", "forwarded_private", lists=("berlin",))
TO_PERSONS = Finding("11-16", "forwarded_private")
NEWS = Finding("12-08", "announcement", {"list": "press", "discussion": "berlin"}, ("press",), "berlin")
CLOSED_NEWS = Finding("12-08", "announcement", {"list": "press", "discussion": ""}, ("press",))
BROKEN = Finding("unexamined", "unexamined", lists=("berlin",))


def refused(row: str, *findings: Finding, reader: Reader = ENGLISH) -> Reply:
    return outcomes.refused(Verdict(Action.REFUSE, findings, row), reader)


def assert_one_honest_line(reply: Reply) -> None:
    """RFC 5321, 4.5.3.1.5 and RFC 3463: one line of at most 512 octets, enhanced code of the same class."""
    assert 1 == len(reply.lines)
    assert len(reply.wire) <= 512
    assert reply.wire.isascii()
    assert re.fullmatch(rb"(\d)\d\d \1\.\d{1,3}\.\d{1,3} [ -~]+\r\n", reply.wire)
    assert [reply] == ReplyParser().feed(reply.wire)
    assert [] == [each for each in FORBIDDEN if each in reply.text.lower()]


@pytest.mark.parametrize("name", OWN)
def test_every_reply_of_the_flow_is_one_short_line_of_ascii(name: str) -> None:
    assert_one_honest_line(OWN[name])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(set(PHRASES) - set(REASONED)))
def test_every_phrase_of_the_flow_is_one_short_line_of_ascii_in_every_language(name: str, language: str) -> None:
    reply = PHRASES[name].to(Reader(shipped().of(language)))

    assert_one_honest_line(reply)
    assert "?" not in reply.text
    assert (language == "en") == (reply.text == PHRASES[name].to(ENGLISH).text)


def test_the_250_of_a_hold_says_that_nothing_is_sent() -> None:
    assert "250 2.0.0 NOT SENT YET: please answer the notice in your mailbox" == outcomes.HELD.to(ENGLISH).text


def test_whoever_has_no_code_reads_one_and_the_same_words() -> None:
    assert "550 5.1.1 No mail is waiting under this code" == outcomes.UNKNOWN_CODE.to(ENGLISH).text


@pytest.mark.parametrize(
    ("row", "findings", "said"),
    [
        (
            "90-01",
            (CROSSPOST,),
            "550 5.7.1 Not sent: an automatic mail cannot be asked about, and it is addressed to 2 ",
        ),
        (
            "90-02",
            (CROSSPOST,),
            "550 5.7.1 Not sent: an automatic mail cannot be asked about, and it is addressed to 2 ",
        ),
        ("90-05", (HIDDEN,), "550 5.7.1 Not sent: the list berlin is only in Bcc (rule 12); this account has no mailb"),
        (
            "90-08",
            (FORWARD,),
            "552 5.3.4 Not sent: too large to wait for your answer, and it would take a private mail ",
        ),
        ("12-02", (CROSSPOST,), "550 5.7.1 Not sent: it is addressed to 2 lists (berlin, all-members), please choose "),
        ("11-16", (TO_PERSONS,), "550 5.7.1 Not sent: it would take a private mail to others (rule 11)"),
        (
            "12-08",
            (NEWS,),
            "550 5.7.1 Not sent: only some may post to the list press; for everybody there is the list ",
        ),
        ("12-08", (CLOSED_NEWS,), "550 5.7.1 Not sent: only some may post to the list press (rule 12)"),
        ("90-05", (BROKEN,), "550 5.7.1 Not sent: it could not be examined;"),
    ],
)
def test_a_refusal_says_why_nobody_was_asked_and_names_lists_by_id(
    row: str, findings: tuple[Finding, ...], said: str
) -> None:
    reply = refused(row, *findings)

    assert_one_honest_line(reply)
    assert reply.text.startswith(said)


def test_several_reasons_stand_in_one_line_each_once() -> None:
    reply = refused("90-05", FORWARD, FORWARD, CROSSPOST)

    assert 1 == reply.text.count("(rule 11)")
    assert reply.text.index("(rule 11)") < reply.text.index("(rule 12)")


def test_a_hundred_lists_leave_the_words_that_matter_in_the_line() -> None:
    lists = tuple(f"list-number-{number}" for number in range(100))
    reply = refused("90-05", Finding("12-02", "crosspost", lists=lists))

    assert_one_honest_line(reply)
    assert "addressed to 100 lists (list-number-0, " in reply.text
    assert "and 96 more), please choose one (rule 12); this account has no mailbox where we could ask" in reply.text


def test_every_row_that_alarms_has_words_of_its_own() -> None:
    said = {refused("x", each).text for each in (CROSSPOST, HIDDEN, FORWARD, BROKEN)}

    assert 4 == len(said)


RULE_12 = [f"12-{number:02}" for number in (2, 4, 5, 8, 10, 12, 19, *range(22, 30))]


@pytest.mark.parametrize("row", RULE_12)
def test_each_row_of_rule_12_has_a_refusal_of_its_own_that_names_its_rule(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"), suggested="all-members")
    others = {refused("x", replace(finding, id=each)).text for each in RULE_12 if each != row}

    for reply in (refused("90-05", finding), refused(row, finding, reader=DISCREET)):
        assert_one_honest_line(reply)
        assert re.search(r"\(rules? (12|7|4 and 5)\)", reply.text)
        assert "could not be examined" not in reply.text
        assert "{" not in reply.text
    assert refused("x", finding).text not in others


RULE_11 = ["11-08", "11-09", "11-10", "11-11", "11-18", "11-20", "90-07", "90-11"]


@pytest.mark.parametrize("row", RULE_11)
def test_each_row_of_rule_11_has_a_refusal_of_its_own_that_names_its_rule(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"))
    others = {refused("x", replace(finding, id=each)).text for each in RULE_11 if each != row}

    for reply in (refused("90-05", finding), refused(row, finding, reader=DISCREET)):
        assert_one_honest_line(reply)
        assert re.search(r"\(rule (11|2)\)", reply.text)
        assert "could not be examined" not in reply.text
        assert "{" not in reply.text
    assert refused("x", finding).text not in others


@pytest.mark.parametrize("row", [*RULE_11, *RULE_12])
def test_T_42_a_discreet_refusal_names_no_list(row: str) -> None:
    finding = Finding(row, "a check", lists=("berlin", "all-members"), suggested="treasury")
    reply = refused(row, finding, reader=DISCREET)

    assert not any(each in reply.text for each in ("berlin", "all-members", "treasury"))


RULE_11 = [f"11-{number:02}" for number in (2, 3, 5, 7, 8, 14, 24)]


@pytest.mark.parametrize("row", RULE_11)
def test_each_row_of_rule_11_has_a_refusal_of_its_own_that_says_where_the_mail_would_go(row: str) -> None:
    to_list, to_persons = Finding(row, "a check", lists=("berlin",)), Finding(row, "a check")
    others = {refused("x", replace(to_list, id=each)).text for each in RULE_11 if each != row}

    for each in (to_list, to_persons):
        for reader in (ENGLISH, DISCREET):
            reply = refused(row, each, reader=reader)

            assert_one_honest_line(reply)
            assert re.search(r"\((rule 11|rules 2 and 11)\)", reply.text)
            assert "could not be examined" not in reply.text
            assert "{" not in reply.text
            assert not reader.discreet or "berlin" not in reply.text
    assert refused("x", to_list).text not in others
    assert row in ("11-03", "11-24") or "berlin" in refused("x", to_list).text


@pytest.mark.parametrize("reader", [ENGLISH, DISCREET])
def test_T_14_whoever_was_asked_too_often_reads_so_in_one_line(reader: Reader) -> None:
    finding = Finding("11-24", "private_text", {"persons": ("dora@elsewhere.example",)})
    reply = outcomes.ASKED_TOO_OFTEN.because(Verdict(Action.HOLD, (finding,), "11-24"), reader)

    assert_one_honest_line(reply)
    assert reply.text.startswith(
        "550 5.7.1 Not sent: too many of your mails had to be asked about within an hour, and "
    )
    assert "dora" not in reply.text


def test_a_desk_is_not_named_by_a_refusal() -> None:
    # P7: mail to a desk leaves no trace; a client may log what it reads.
    finding = Finding(
        "12-28", "desk_beside_list", {"desks": ("commission@example.org",)}, ("berlin",), "commission@x.y"
    )

    assert "commission" not in refused("12-28", finding).text


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=30))
def test_whatever_a_list_is_called_the_reply_stays_one_line_of_ascii(lists: list[str]) -> None:
    # The reader of list files takes plain names only; this is the second lock.
    reply = refused("90-05", Finding("12-10", "hidden_list", lists=tuple(lists)))

    assert_one_honest_line(reply)


# ---------------------------------------------------------------- in every language, with the longest facts

# The longest id that a list can have, and the longest address of a page (RFC 1035, 2.3.4: a name has 253 octets).
LONG = tuple(f"{number}{'x' * 63}" for number in range(6))
LONG_PAGE = f"https://{'.'.join(['m' * 59] * 4)}.example.org:65535/rules"
PAGE = "https://mailcheck.example.org/rules"


def longest(row: str, *, lists: int = 6) -> Finding:
    return Finding(row, "a check", {"discussion": LONG[5]}, LONG[:lists], LONG[4])


def every_reply(findings: tuple[Finding, ...], reader: Reader) -> dict[str, Reply]:
    """What can be said of a mail with these findings, by the row or phrase that says so."""
    said = {row: refused(row, *findings, reader=reader) for row in (*NOT_ASKED, findings[0].id)}
    verdict = Verdict(Action.HOLD, findings, findings[0].id)
    return said | {name: PHRASES[name].because(verdict, reader) for name in REASONED}


def frame(reader: Reader, name: str) -> list[str]:
    """The parts of a phrase around its reasons."""
    return reader.said(name, reasons="|").split("|")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("discreet", [False, True])
@pytest.mark.parametrize("row", sorted(rows_that_alarm()))
def test_a_refusal_is_one_line_of_512_octets_with_the_longest_facts(row: str, discreet: bool, language: str) -> None:
    reader = Reader(shipped().of(language), LONG_PAGE, discreet)
    for lists in (1, 4, 6):
        for name, reply in every_reply((longest(row, lists=lists),), reader).items():
            assert_one_honest_line(reply)
            assert "?" not in reply.text
            assert "{" not in reply.text
            # Nothing of ours is cut off: why nobody is asked stands around the reasons.
            phrase = outcomes._NOT_ASKED.get(name, PHRASES.get(name, PHRASES["_REFUSED"]))
            assert all(each in reply.text for each in frame(reader, phrase.name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_for_every_reason_at_once_is_one_whole_line(language: str) -> None:
    reader = Reader(shipped().of(language), LONG_PAGE)
    for name, reply in every_reply(tuple(map(longest, sorted(rows_that_alarm()))), reader).items():
        assert_one_honest_line(reply)
        phrase = outcomes._NOT_ASKED.get(name, PHRASES.get(name, PHRASES["_REFUSED"]))
        assert all(each in reply.text for each in frame(reader, phrase.name))


@cache
def texts_of_rows(decided_by: str, language: str, discreet: bool) -> dict[str, str]:
    """What is said of one list in the refusal that is `decided_by` a row, by the row of its finding."""
    reader = Reader(shipped().of(language), discreet=discreet)
    return {each: refused(decided_by, longest(each, lists=1), reader=reader).text for each in rows_that_alarm()}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("row", sorted(rows_that_alarm()))
def test_every_row_that_alarms_has_a_refusal_of_its_own_in_every_language(row: str, language: str) -> None:
    known = {each for each in shipped_wordings()[language].texts if each.startswith("refusals.")}

    assert f"refusals.{row}" in known
    numbers = RULES_OF.get(row, (int(row[:2]),) if row != "unexamined" else ())
    for discreet in (False, True):
        # Rows that have no phrase of their own share one.
        texts = texts_of_rows(row if row in outcomes._NOT_ASKED else "x", language, discreet)
        said = texts[row]
        assert all(re.search(rf"\(\w+ .*\b{number}\b.*\)", said) for number in numbers), said
        # An attached mail is told like a forwarded one.
        alike = [each for each, other in texts.items() if each != row and other == said]
        assert {row, *alike} <= {"11-08", "11-16"} or [] == alike


@pytest.mark.parametrize("language", LANGUAGES)
def test_T_42_what_a_front_logs_names_nothing_of_the_mail_in_any_language(language: str) -> None:
    reader = Reader(shipped().of(language), PAGE, discreet=True)
    for row in sorted(rows_that_alarm()):
        facts = {"persons": ("dora@elsewhere.example",), "desks": ("commission@example.org",), "discussion": "open"}
        finding = Finding(row, "a check", facts, ("berlin", "all-members"), "treasury")  # type: ignore[arg-type]
        for reply in every_reply((finding,), reader).values():
            assert not re.search(r"berlin|all-members|treasury|open\b|dora|commission|@", reply.text)


def test_what_names_something_of_the_mail_has_a_discreet_form_that_names_nothing() -> None:
    for language in LANGUAGES:
        rows = {
            name.removeprefix("refusals."): str(said)
            for name, said in shipped_wordings()[language].texts.items()
            if re.fullmatch(r"refusals\.(\d\d-\d\d(_discreet)?|unexamined)", name)
        }
        assert [] == [each for each, said in rows.items() if "{" in said and f"{each}_discreet" not in rows]
        assert [] == [each for each, said in rows.items() if "{" in said and each.endswith("_discreet")]
        assert rows_that_alarm() == {each.removesuffix("_discreet") for each in rows}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_is_free_of_the_forbidden_words_and_of_gaps(language: str) -> None:
    reader = Reader(shipped().of(language), PAGE)
    for row in sorted(rows_that_alarm()):
        for lists in ((), ("berlin",), ("berlin", "press")):
            reply = refused("90-05", Finding(row, "a check", lists=lists, suggested="all"), reader=reader)
            assert_one_honest_line(reply)
            assert "  " not in reply.text
            assert not re.search(r" [,.)]|\( ", reply.text)


# ---------------------------------------------------------------- whose language, and which letters


def account(language: str | None) -> Account:
    return Account("anna", None, language)


def test_a_reply_is_in_the_account_s_language_else_in_the_site_s_first() -> None:
    french_first = replace(SITE, texts=shipped().starting_with("fr"))

    def held(of: Account | None) -> str:
        return outcomes.HELD.to(Reader.of(french_first, of)).text

    assert "250 2.0.0 NOCH NICHT GESENDET: bitte die Nachricht in Ihrem Postfach beantworten" == held(account("de"))
    assert "250 2.0.0 AUN NO ENVIADO: por favor, responda al aviso en su buzon" == held(account("es-MX"))
    assert "250 2.0.0 NOT SENT YET: please answer the notice in your mailbox" == held(account("en"))
    french = "250 2.0.0 PAS ENCORE ENVOYE : merci de repondre a l'avis dans votre boite de reception"
    assert {french} == {held(account(None)), held(account("xx")), held(None), held(UNASKABLE)}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "550 5.7.1 Mail nicht gesendet: sie geht an 2 Listen (berlin, all-members), bitte eine auswaehlen "),
        ("es", "550 5.7.1 Correo no enviado: va dirigido a 2 listas (berlin, all-members); por favor, elija una"),
        ("fr", "550 5.7.1 Message non envoye : il est adresse a 2 listes (berlin, all-members), merci d'en choisir"),
    ],
)
def test_a_refusal_reads_like_its_language_in_ascii(language: str, said: str) -> None:
    assert refused("12-02", CROSSPOST, reader=Reader(shipped().of(language))).text.startswith(said)


def test_the_number_of_lists_chooses_the_form() -> None:
    german = Reader(shipped().of("de"))

    assert "die Liste berlin steht nur in Bcc" in refused("12-10", HIDDEN, reader=german).text
    two = replace(HIDDEN, lists=("berlin", "press"))
    assert "die Listen berlin, press stehen nur in Bcc" in refused("12-10", two, reader=german).text


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("Übergröße läßt Öl fließen", "de", "Uebergroesse laesst Oel fliessen"),
        ("a\u0308", "de-AT", "ae"),
        ("Malmö", "sv", "Malmo"),
        ("naïve cœur déjà ça", "fr", "naive coeur deja ca"),
        ("«\u00a0Où\u202f?\u00a0»", "fr", '" Ou ? "'),
        ("¿Año? ¡Sí!", "es", "Ano? Si!"),
        ("„so“ – ‚so‘ … ’s", "de", "\"so\" - 'so' ... 's"),
        ("Łódź, Đà Nẵng, İstanbul", "pl", "Lodz, Da Nang, Istanbul"),
        ("a\u00adb\u200bc", "en", "abc"),
        ("Ωmega Я", "el", "Ωmega Я"),
    ],
)
def test_letters_are_written_as_without_them_on_the_keyboard(text: str, code: str, said: str) -> None:
    assert said == folded(text, code)


# ---------------------------------------------------------------- where the rule is written


@pytest.mark.parametrize(
    ("finding", "rule"),
    [
        (CROSSPOST, "12"),
        (FORWARD, "11"),
        (Finding("90-07", "a check", lists=("berlin",)), "11"),
        (Finding("12-26", "a check", lists=("berlin",)), "12"),
    ],
)
def test_a_refusal_ends_with_the_rule_on_the_page(finding: Finding, rule: str) -> None:
    bare = refused("90-05", finding)
    for reader in (ENGLISH, DISCREET):
        linked = refused("90-05", finding, reader=replace(reader, rules_page=PAGE))

        # A front's log learns the number of the rule, which stands in the words as well.
        assert linked.text.endswith(f"; or see {PAGE}#{rule}")
        assert_one_honest_line(linked)
    assert PAGE not in bare.text


def test_of_several_reasons_the_first_says_which_rule_is_linked() -> None:
    reader = replace(ENGLISH, rules_page=PAGE)

    assert refused("11-08", FORWARD, CROSSPOST, reader=reader).text.endswith("#11")
    assert refused("90-05", BROKEN, CROSSPOST, reader=reader).text.endswith("#12")
    assert PAGE not in refused("90-05", BROKEN, reader=reader).text


def test_where_there_is_no_room_the_words_stay_and_the_page_goes() -> None:
    finding = longest("12-02", lists=4)
    reader = replace(ENGLISH, rules_page=LONG_PAGE)

    assert refused("12-02", finding, reader=reader) == refused("12-02", finding)
    assert LONG[3] in refused("12-02", finding).text


def test_names_go_before_reasons_do() -> None:
    findings = tuple(longest(each, lists=4) for each in ("11-08", "12-02", "12-24"))
    said = refused("90-05", *findings).text

    assert "private mail (rule 11); it is addressed to more than one list, please choose one (rule 12); it is" in said
    assert said.endswith("this account has no mailbox where we could ask")


def test_90_10_says_why_a_notice_was_needed() -> None:
    said = outcomes.NO_NOTICE.because(Verdict(Action.HOLD, (CROSSPOST,), "12-02"), ENGLISH).text

    assert said.startswith("550 5.7.1 Not sent: it is addressed to 2 lists (berlin, all-members), please choose one")
    assert said.endswith("; it would have to wait for you, and we could not write to your mailbox")
