"""Stock phrases and function words: files that read as they should, in every language promised."""

from __future__ import annotations

from importlib.resources import files

import pytest

from smtpguard import stock
from smtpguard.prose import ProseReader

PROMISED = ["en", "de", "fr", "es", "it", "nl", "pl", "pt", "sv", "da", "nb", "fi", "cs", "ru", "uk", "tr", "hu"]
FUNCTION_WORDS_MIN = 100
PHRASES_MIN = 30
CLOSINGS_MIN = 10


def test_the_promised_languages_are_there() -> None:
    assert set(PROMISED) <= set(stock.languages())


@pytest.mark.parametrize("language", PROMISED)
def test_each_file_has_its_three_parts(language: str) -> None:
    parts = stock.parts_of((files(stock) / f"{language}.txt").read_text("utf-8"))

    assert len({word for line in parts["function words"] for word in line.split()}) >= FUNCTION_WORDS_MIN
    assert len(parts["phrases"]) >= PHRASES_MIN
    assert len(parts["closings"]) >= CLOSINGS_MIN
    assert all(line == line.lower() for line in parts["function words"] + parts["closings"])


def test_every_phrase_is_good_for_something() -> None:
    """A phrase without a prose shingle would never have been kept."""
    reader = ProseReader()

    assert [each for each in stock.phrases() if not reader.read(each).shingles()] == []


def test_a_phrase_ends_at_what_each_mail_has_of_its_own() -> None:
    assert all("..." not in each for each in stock.phrases())


def test_no_phrase_is_there_twice() -> None:
    assert len(set(stock.phrases())) == len(stock.phrases())


def test_a_line_outside_all_parts_is_an_error() -> None:
    with pytest.raises(ValueError, match="above all parts"):
        stock.parts_of("hello\n[phrases]\n")
    with pytest.raises(ValueError, match="no part called 'phrase'"):
        stock.parts_of("[phrase]\nhello\n")
