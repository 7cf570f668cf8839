"""Passages of a text: voices, authors, and how forwards and answers are told apart."""

import pytest

from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.headings import Heading
from smtpguard.mail.labels import LANGUAGES
from smtpguard.mail.lines import visible
from smtpguard.mail.message import Passage, Voice
from smtpguard.mail.passages import SPEAKERS_MAX, passages_of
from smtpguard.mail.subjects import SubjectKind, subject_kind

BLOCK = (
    "From: Carl <carl@example.net>\nSent: Friday, November 13, 2026 5:12 PM\nTo: Anna <anna@example.org>\n"
    "Subject: The cash box\n\nBetween us, it was never counted.\n"
)
CARL = parse_address("carl@example.net")


def voices(text: str, subject: str = "Minutes", **heading: object) -> list[str]:
    return [each.voice.value for each in passages_of(text, Heading(subject, **heading))]  # type: ignore[arg-type]


def spoken(text: str, voice: Voice, subject: str = "Minutes") -> list[Passage]:
    return [each for each in passages_of(text, Heading(subject)) if each.voice is voice]


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Fwd: x", SubjectKind.FORWARD),
        ("FW: Re: x", SubjectKind.FORWARD),
        ("WG: x", SubjectKind.FORWARD),
        ("[berlin] Fwd: x", SubjectKind.FORWARD),
        ("x (fwd)", SubjectKind.FORWARD),
        ("Re: x (fwd)", SubjectKind.ANSWER),
        ("Re: Fwd: x", SubjectKind.ANSWER),
        ("AW: x", SubjectKind.ANSWER),
        ("Re[2]: x", SubjectKind.ANSWER),
        ("VS: x", SubjectKind.EITHER),
        ("Minutes: the last ones", SubjectKind.PLAIN),
        ("", SubjectKind.PLAIN),
    ],
)
def test_the_first_prefix_of_a_subject_decides(subject: str, kind: SubjectKind) -> None:
    assert subject_kind(subject) is kind


class TestBlocksWithoutBanner:
    """The same text is forwarded or quoted by what the mail around it says."""

    def test_below_own_words_and_a_forward_subject_it_is_forwarded(self) -> None:
        assert voices(f"See this.\n\n{BLOCK}", "FW: The cash box") == ["own", "forwarded"]

    def test_below_own_words_and_an_answer_subject_it_is_quoted(self) -> None:
        assert voices(f"It was.\n\n{BLOCK}", "AW: The cash box") == ["own", "quoted"]

    def test_alone_it_is_forwarded(self) -> None:
        assert voices(BLOCK) == ["forwarded"]

    def test_in_a_mail_that_names_what_it_answers_it_is_quoted(self) -> None:
        assert voices(f"It was.\n\n{BLOCK}", "Minutes", answers=True) == ["own", "quoted"]

    def test_in_a_mail_to_its_author_it_is_quoted(self) -> None:
        assert CARL is not None
        destinations: frozenset[Address] = frozenset((CARL,))
        assert voices(f"It was.\n\n{BLOCK}", "Minutes", destinations=destinations) == ["own", "quoted"]

    def test_in_a_new_mail_to_others_it_is_forwarded(self) -> None:
        assert voices(f"Read this.\n\n{BLOCK}", "Minutes") == ["own", "forwarded"]


@pytest.mark.parametrize(
    "banner",
    [
        "---------- Forwarded message ----------",
        "-------- Weitergeleitete Nachricht --------",
        "Begin forwarded message:",
        "Anfang der weitergeleiteten Nachricht:",
        "----- Forwarded message from Carl <carl@example.net> -----",
        "---------- Message transféré ---------",
        "-------- Przekazana wiadomość --------",
    ],
)
def test_a_banner_makes_a_forward_whatever_the_subject_says(banner: str) -> None:
    assert voices(f"It was.\n\n{banner}\n{BLOCK}", "Re: Minutes") == ["own", "forwarded"]


def test_a_banner_may_name_the_author() -> None:
    banner = "----- Forwarded message from Carl <carl@example.net> -----"
    text = f"{banner}\n\nBetween us.\n\n----- End forwarded message -----\nMine."
    forwarded, own = passages_of(text, Heading("x"))
    assert (forwarded.author, forwarded.text) == (CARL, "Between us.")
    assert (own.voice, own.text) == (Voice.OWN, "Mine.")


def test_a_forward_that_only_quotes_is_known_by_its_subject() -> None:
    text = "On 3 May 2026 Carl <carl@example.net> wrote:\n> Between us, it was never counted.\n"
    assert voices(text, "Fwd: x") == ["forwarded"]
    assert voices(text, "Re: x") == ["quoted"]


@pytest.mark.parametrize(
    ("line", "author", "name"),
    [
        (
            "On Mon, Nov 16, 2026 at 9:12 AM Clara Conrad <clara@example.net> wrote:",
            "clara@example.net",
            "Clara Conrad",
        ),
        ("On 16 Nov 2026, at 09:12, Clara Conrad <clara@example.net> wrote:", "clara@example.net", "Clara Conrad"),
        ("Am 16.11.2026 um 09:12 schrieb Clara Conrad:", None, "Clara Conrad"),
        ("Am Mo., 16. Nov. 2026 um 09:12 Uhr schrieb Clara <clara@example.net>:", "clara@example.net", "Clara"),
        ("Clara Conrad <clara@example.net> schrieb am 16. November 2026:", "clara@example.net", None),
        (
            "Le lun. 16 nov. 2026 à 09:12, Clara Conrad <clara@example.net> a écrit :",
            "clara@example.net",
            "Clara Conrad",
        ),
        ("Zitat von Clara Conrad <clara@example.net>:", "clara@example.net", "Clara Conrad"),
    ],
)
def test_attribution_lines_name_the_author_of_the_quote(line: str, author: str | None, name: str | None) -> None:
    (quote,) = spoken(f"Yes.\n\n{line}\n> so it was\n", Voice.QUOTED)
    assert quote.text == "so it was"
    assert (str(quote.author) if quote.author else None) == author
    if name is not None:
        assert quote.author_name == name


def test_an_attribution_without_quote_marks_speaks_to_the_end() -> None:
    assert voices("Yes.\n\nOn 28/10/2026 12:46, Carl <carl@example.net> wrote:\n\n    It was.\n") == ["own", "quoted"]


@pytest.mark.parametrize(
    "text",
    [
        "She wrote:\nnothing at all.",
        "On Monday we meet. Please bring:\n- cups\n- plates",
        "From: 10 am\nTo: 12 am\n",
        "Von: Berlin\nAn: Hamburg\nDatum: 5. Mai\n",
        "Subject: what we talk about\nDate: Monday\n",
        ">From the beginning it was clear.",
        "To: everybody who reads this\nFrom: me",
        "From: Carl <carl@example.net>\nSubject: what he said\n",
        "----------\nPoint one\n----------\nPoint two",
    ],
)
def test_harmless_texts_are_own_words(text: str) -> None:
    assert voices(text) == ["own"]


def test_a_pasted_patch_is_no_forward() -> None:
    head = f"From {'0123456789' * 4} Mon Sep 17 00:00:00 2001"
    text = f"{head}\nFrom: C <c@example.net>\nDate: Monday\nSubject: [PATCH] x\n\ndiff"
    assert voices(text) == ["own"]


def test_signature_ends_where_a_block_begins() -> None:
    assert voices(f"See this.\n-- \nAnna\n\n{BLOCK}", "FW: x") == ["own", "signature", "forwarded"]


def test_two_dashes_above_long_text_are_no_signature() -> None:
    assert voices("One.\n--\n" + "more\n" * 40) == ["own"]


def test_recipients_are_all_of_to_and_cc_also_when_folded() -> None:
    text = (
        "-----Original Message-----\nFrom: Carl [mailto:carl@example.net]\nSent: Monday\nTo: Anna <anna@example.org>;\n"
        "Ben <ben@example.org>; Doris Dorn\nCc: erich@example.org, <mailto:frieda@example.org>\nSubject: x\n\nWords.\n"
    )
    (block,) = spoken(text, Voice.FORWARDED, "FW: x")
    assert [str(each) for each in block.recipients] == [
        "anna@example.org", "ben@example.org", "erich@example.org", "frieda@example.org",
    ]  # fmt: skip


def test_many_speakers_are_read_up_to_a_bound() -> None:
    assert len(passages_of(BLOCK * (SPEAKERS_MAX + 500), Heading("FW: x"))) == SPEAKERS_MAX


def test_invisible_characters_do_not_hide_a_block() -> None:
    assert voices(
        "\ufeffF\u200brom: Carl <carl@example.net>\nSent:\xa0Monday\nTo: a@example.org\nSubject: x\n\nWords."
    ) == ["forwarded"]


def test_a_line_of_blanks_that_are_no_spaces_is_read_as_any_other() -> None:
    text = "\x0b" * 50 + "<words 1"
    assert [each.voice for each in passages_of(text, Heading())] == [Voice.OWN]


@pytest.mark.parametrize(
    ("name", "shown", "same"),
    [
        ("Conrad, Carl C.", "c..conrad", True),
        ("Carl Conrad", "Carl Conrad", True),
        ("Carl Conrad", "carl.conrad", True),
        ("Carl Conrad", "Carl Albrecht", False),
        ("Carl Conrad", "conrad", False),
        ("Carl", "Carl", False),
        ("The board", "the board of Berlin", False),
        ("C. D.", "c.d", False),
    ],
)
def test_an_author_without_an_address_is_known_by_two_words(name: str, shown: str, same: bool) -> None:
    assert Heading("x", names=(shown,)).is_to(None, name) is same
    if " " not in shown:
        assert Heading("x", destinations=frozenset([Address(shown, "example.org")])).is_to(None, name) is same


def test_what_stands_behind_the_last_line_that_is_read_goes_with_it() -> None:
    (own, forwarded) = passages_of(f"One.\n{BLOCK}{BLOCK}", Heading("FW: x"), BLOCK.count("\n") + 1)
    assert own.text == "One."
    assert forwarded.text.count("From: ") == 1
    assert [each.voice for each in passages_of(f"One.\n{BLOCK}", Heading("FW: x"), 1)] == [Voice.OWN]


def test_words_of_the_tables_are_written_as_texts_are_compared() -> None:
    words = [word for each in LANGUAGES.values() for text in each.values() for word in text.split("|")]
    assert [word for word in words if visible(word) != word] == []


def test_joiners_of_persian_hide_no_banner() -> None:
    text = f"One.\n\nپیام هدایت\u200cشده:\n{BLOCK}"
    assert [each.voice for each in passages_of(text, Heading("x"))] == [Voice.OWN, Voice.FORWARDED]
