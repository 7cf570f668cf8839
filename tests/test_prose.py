"""Prose shingles: what a paste changes makes no other shingle, and what is no prose is not kept."""

from __future__ import annotations

from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.prose import (
    CHARACTERS_MAX,
    SHINGLE_OCTETS,
    WORDS_KEPT_MAX,
    WORDS_MAX,
    ProseReader,
    as_typed,
    normal,
    words_of,
)

READER = ProseReader()
OTHER_READER = ProseReader()
LETTER = (
    "I was at the old boat house yesterday, and the roof is worse than we thought. Could you ask your sister "
    "whether her friend still has the long ladder? We should not tell the others before we know what it will "
    "cost, because last time that went wrong.\n\n"
    "If it rains again this week, the wood on the north side will not last the winter."
)
WORDS = st.sampled_from(LETTER.replace("\n", " ").replace(".", "").replace(",", "").replace("?", "").split())
TEXTS = st.lists(WORDS, min_size=8, max_size=80).map(" ".join)
LOOK_ALIKE = str.maketrans("aceopxyiAEOPCTH", "асеорхуіАЕОРСТН")
INVISIBLE = "\u200b\u200c\u200d\u2060\u00ad\ufeff\u202a\u202c\ufe0f"


def shingles(text: str, *, stored: bool = False) -> set[bytes]:
    return {shingle for _, shingle in READER.read(text, stored=stored).shingles()}


def test_a_letter_has_a_shingle_for_most_of_its_words() -> None:
    assert len(shingles(LETTER)) > 0.7 * len(LETTER.split())


def test_a_kept_letter_is_found_whole() -> None:
    assert shingles(LETTER, stored=True) <= shingles(LETTER)
    assert len(shingles(LETTER, stored=True)) > 0.9 * len(shingles(LETTER))


@given(TEXTS, st.integers(20, 90), st.sampled_from(["", "> ", ">> ", "> > ", "| ", "AM> ", "\t"]))
def test_wrapped_anew_and_quoted_it_has_the_same_shingles(text: str, width: int, prefix: str) -> None:
    quoted = "\n".join(prefix + line for line in wrap(text, width))

    assert READER.read(quoted).shingles() == READER.read(text).shingles()


@given(TEXTS, st.data())
def test_a_word_broken_at_a_line_end_is_the_same_word(text: str, data: st.DataObject) -> None:
    words = text.split()
    place = data.draw(st.integers(0, len(words) - 1).filter(lambda each: len(words[each]) > 2))
    at = data.draw(st.integers(1, len(words[place]) - 1))
    prefix = data.draw(st.sampled_from(["", "> ", ">> "]))
    words[place] = f"{words[place][:at]}-\n{prefix}{words[place][at:]}"

    assert READER.read(f"{prefix}{' '.join(words)}").shingles() == READER.read(text).shingles()


@given(TEXTS, st.lists(st.booleans(), min_size=1, max_size=20))
def test_case_does_not_count(text: str, upper: list[bool]) -> None:
    mixed = "".join(each.upper() if upper[place % len(upper)] else each.lower() for place, each in enumerate(text))

    assert READER.read(mixed).shingles() == READER.read(text).shingles()


@given(TEXTS, st.lists(st.sampled_from(["", "", *INVISIBLE]), min_size=1, max_size=20))
def test_what_nobody_sees_does_not_count(text: str, hidden: list[str]) -> None:
    disguised = "".join(each + hidden[place % len(hidden)] for place, each in enumerate(text))

    assert READER.read(disguised).shingles() == READER.read(text).shingles()


@given(TEXTS, st.lists(st.booleans(), min_size=1, max_size=20))
def test_letters_that_look_alike_are_alike(text: str, swapped: list[bool]) -> None:
    disguised = "".join(
        each.translate(LOOK_ALIKE) if swapped[place % len(swapped)] else each for place, each in enumerate(text)
    )

    assert READER.read(disguised).shingles() == READER.read(text).shingles()


@given(
    TEXTS,
    st.lists(
        st.sampled_from([" ", "\u00a0", "\n", "\r\n", " \n ", ", ", " \u2013 ", "\u2026 ", "\u2028"]),
        min_size=1,
        max_size=9,
    ),
)
def test_line_breaks_and_punctuation_of_html_do_not_count(text: str, between: list[str]) -> None:
    words = text.split()
    joined = "".join(each + between[place % len(between)] for place, each in enumerate(words))

    assert READER.read(joined).shingles() == READER.read(text).shingles()


@given(st.text(max_size=400))
def test_any_text_is_read_the_same_twice_and_kept_in_part(text: str) -> None:
    assert READER.read(text) == OTHER_READER.read(text)
    for place, shingle in READER.read(text, stored=True).shingles():
        assert len(shingle) == SHINGLE_OCTETS
        assert place >= 0


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        ("don't", "don\u2019t"),
        ("e-mail", "e\u2011mail"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff26ull", "full"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u0130stanbul", "istanbul"),
        ("\u043f\u0440\u0438\u0432\u0435\u0442", "\u043fp\u0438\u0432e\u0442"),
    ],
)
def test_one_word_has_one_form(typed: str, other: str) -> None:
    assert [normal(each) for each in words_of(typed)] == [normal(each) for each in words_of(other)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dear Anna, the old boat-house isn't safe.", "Anna, the old boat-house isn't"),
        ("Dear Anna,\n\n> the old\n> boat-\n> house isn’t safe.", "Anna, > the old > boat- > house isn’t"),
        ("Dear An\u200bna, the old boat\u00adhouse is\u2060nt safe.", "Anna, the old boathouse isnt"),
        ("Dear Anna," + " " * 500 + "the old boathouse isn't safe.", "Anna the old boathouse isnt"),
    ],
)
def test_words_are_shown_as_they_were_typed(text: str, shown: str) -> None:
    assert as_typed(text, READER.read(text).words[1:6]) == shown


def test_a_word_without_end_is_shown_as_it_is_and_costs_nothing() -> None:
    word = "a" * 200_000

    assert as_typed(f"{word} and more", [word, "and", "more"]) == f"{word} and more"


@pytest.mark.parametrize(
    "text",
    [
        "12 of the 14 at 10",
        "Anna Berta Carla Dora Emil",
        "and so if then or not but",
        "the boat the boat the boat",
        "static int copy_words(struct text *from, struct text *to)\n{\n\tif (from == NULL)\n\t\treturn -EINVAL;",
        '  File "/srv/app/text.py", line 12, in read\n    self.words = words_of(text)',
        "[INFO] the service is starting on this port and will be ready in a minute",
        "/srv/a.c:12: warning: this value is not used in the function",
        "Room: 12\nFloor: the third\nTime: at ten",
        "--- a/one.c\n+++ b/one.c\n@@ -1,4 +1,4 @@\n-this is what was in the file\n+this is what is now in the file",
        "Subject: this is what the mail was about\nTo: all of the people who are on the list",
        "On 3 March 2026 at 10:00 the secretary of the club wrote:",
        "https://example.org/this/is/not/a/sentence-of-a-letter/but-an-address",
    ],
)
def test_what_is_no_prose_is_not_kept(text: str) -> None:
    assert not shingles(text, stored=True)


@pytest.mark.parametrize(
    "below",
    [
        "-- \nErika Example, for the board of the boat club\nTelephone 123",
        "--\nErika Example, for the board of the boat club",
        "Best regards,\nErika Example\nchair of the board of the boat club",
        "Viele Gr\u00fc\u00dfe\n\nErika Example\nf\u00fcr den Vorstand des Vereins",
    ],
)
def test_a_signature_is_not_kept_but_looked_up(below: str) -> None:
    assert shingles(f"{LETTER}\n\n{below}", stored=True) <= shingles(LETTER)
    assert shingles(f"{LETTER}\n\n{below}") > shingles(LETTER)


def test_a_postscript_is_kept() -> None:
    postscript = "PS: I have found the key of the boat house under the stone, so you do not need to ask her."

    assert shingles(postscript) <= shingles(f"{LETTER}\n\nBest regards\nErika\n\n{postscript}", stored=True)


def test_text_below_a_rule_that_goes_on_is_kept() -> None:
    assert shingles(LETTER) <= shingles("\n".join(["Before the rule.", "--", *wrap(LETTER, 20)]))
    long = "\n".join(["Before the rule.", "--", *wrap(LETTER, 20)])

    assert len(shingles(long, stored=True)) > 0.9 * len(shingles(LETTER))


def test_languages_without_function_words_have_shingles() -> None:
    hebrew = "אני לא יודע את התשובה על השאלה"

    assert shingles(hebrew)


def test_a_long_text_is_read_up_to_a_bound() -> None:
    text = "we read the book and the letter of a friend " * 30_000

    assert len(text) > 1_000_000
    assert len(READER.read(text).words) <= WORDS_MAX
    assert len(READER.read(text, stored=True).words) <= WORDS_KEPT_MAX
    assert READER.read(text + LETTER).words == READER.read(text[:CHARACTERS_MAX]).words


@pytest.mark.parametrize(
    "text",
    [
        ":\n" * 500_000,
        "@ " * 500_000,
        ">" * 1_000_000,
        "\n>" * 500_000,
        "ab> " * 250_000,
        "-\n" * 500_000,
        "--\n" * 400_000,
        "\n" * 1_000_000,
        "\u200b" * 1_000_000,
        "a" * 1_000_000,
        "a." * 500_000,
        "a-" * 500_000,
        ("a" + "\u0301" * 100) * 10_000,
        "\ufdfa" * 1_000_000,
        "(" * 1_000_000,
        "[A" + "A" * 1_000_000,
        "\ud800 " * 500_000,
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_no_text_takes_more_than_its_length(text: str) -> None:
    """Some milliseconds each; quadratic, one of them would take minutes."""
    assert len(READER.read(text, stored=True).words) <= WORDS_KEPT_MAX
    assert len(READER.read(text).words) <= WORDS_MAX


LICENCE = "Whoever gets this file may use it and change it as he likes, as long as these lines stay where they are"


@pytest.mark.parametrize(
    "comment",
    [
        f"/*\n * {LICENCE[:50]}\n * {LICENCE[50:]}\n */",
        f"> /* {LICENCE} */ int main(void);",
        f"+# {LICENCE[:40]}\n+# {LICENCE[40:80]}\n+# {LICENCE[80:]}\n+echo hello\n",
    ],
)
def test_comments_of_programs_are_not_kept(comment: str) -> None:
    text = (
        f"I have changed it for you and hope that it works now.\n{comment}\nTell me whether it is of any use to you.\n"
    )
    kept = " ".join(READER.read(text, stored=True).words)
    assert "may use it" not in kept
    assert "hope that it works" in kept
    assert "of any use to you" in kept
    assert "may use it" in " ".join(READER.read(text).words)  # a paste is looked for as it is


def test_a_letter_with_a_star_and_a_number_sign_is_kept() -> None:
    text = f"# The plan\n* {LICENCE}\n* and we meet in the garden /* or not, whoever comes"
    assert "may use it" in " ".join(READER.read(text, stored=True).words)
    assert "or not whoever comes" in " ".join(READER.read(text, stored=True).words)
