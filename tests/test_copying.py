"""Copied text: known again whatever became of it, by nobody without the key, and not for a few words alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard import stock
from smtpguard.copying import (
    GAP_WORDS,
    MAILBOX_OCTETS,
    RUN_MIN,
    Copier,
    Run,
    hits,
    longest_run,
    runs,
    stock_words,
)
from smtpguard.prose import WORDS_A_SHINGLE, ProseReader
from tests.letters import LETTERS

READER = ProseReader()
STOCK = READER.phrases(stock.phrases())
COPIER = Copier(bytes(range(32)))
OTHER = Copier(bytes(range(1, 33)))
LETTER = LETTERS["en"]


def copied(text: str, private: str, copier: Copier = COPIER, keeper: Copier = COPIER) -> int:
    """How many words of `private` stand in `text` in one run."""
    known = frozenset(keeper.kept(READER.read(private, stored=True), STOCK))
    prose = READER.read(text)
    run = longest_run(hits(copier.fingerprints(prose), known), stock_words(prose, STOCK))
    return run.words if run is not None else 0


@pytest.mark.parametrize("language", stock.languages())
def test_a_sentence_of_a_letter_is_known_again_in_each_language(language: str) -> None:
    letter = LETTERS[language]
    sentences = [each for each in letter.split(". ") if len(each.split()) >= 12]

    assert sentences
    for sentence in sentences:
        assert copied(f"Hallo 1 2 3\n\n{sentence}", letter) >= RUN_MIN


@pytest.mark.parametrize("language", stock.languages())
def test_one_letter_is_not_another(language: str) -> None:
    for other in set(LETTERS) - {language}:
        assert copied(LETTERS[language], LETTERS[other]) == 0


@pytest.mark.parametrize("language", stock.languages())
def test_a_letter_of_stock_phrases_leaves_nothing(language: str) -> None:
    phrases = [each for each in stock.phrases() if len(each.split()) < 12][:400]
    prose = READER.read("\n".join(phrases))

    assert copied("\n".join(phrases), "\n".join(phrases)) < RUN_MIN
    assert stock_words(prose, STOCK)


def test_every_fifth_word_changed_leaves_enough() -> None:
    words = LETTER.split()
    words[2::5] = ["xyzzy"] * len(words[2::5])

    assert copied(" ".join(words), LETTER) >= RUN_MIN


def test_two_keys_have_nothing_in_common() -> None:
    prose = READER.read(LETTER)

    assert set(COPIER.fingerprints(prose)).isdisjoint(OTHER.fingerprints(prose))
    assert copied(LETTER, LETTER) > 3 * RUN_MIN
    assert copied(LETTER, LETTER, copier=OTHER) == 0


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_no_two_keys_agree(one: bytes, other: bytes) -> None:
    prose = READER.read(LETTER)
    made, others = Copier(one).fingerprints(prose), Copier(other).fingerprints(prose)

    assert (made == others) is (one == other)
    assert one == other or set(made).isdisjoint(others)


def test_a_fingerprint_is_made_of_a_shingle_alone() -> None:
    """Where it stands, and what stands around it, does not count."""
    prose, longer = READER.read(LETTER), READER.read(f"Something else stood above it.\n{LETTER}\nAnd below.")
    known = set(COPIER.fingerprints(prose))

    assert known <= set(COPIER.fingerprints(longer))
    assert len(COPIER.fingerprints(prose)) == len(prose.words) - WORDS_A_SHINGLE + 1


def test_what_is_kept_has_no_order_and_no_stock() -> None:
    kept = COPIER.kept(READER.read(LETTER, stored=True), STOCK)

    assert list(kept) == sorted(set(kept))
    assert not COPIER.kept(READER.read("please let me know if you have any questions", stored=True), STOCK)


def test_a_page_takes_little_room() -> None:
    """A mail of 330 words, the mean on list archives, takes at most 3.2 kB."""
    words = " ".join(LETTERS[each] for each in ("en", "de", "fr", "es", "it", "nl", "pt")).split()[:330]

    assert len(words) == 330
    assert len(COPIER.kept(READER.read(" ".join(words), stored=True), STOCK)) * MAILBOX_OCTETS <= 3200


def test_fewer_than_four_words_have_no_fingerprint() -> None:
    assert len(COPIER.fingerprints(READER.read("see you there"))) == 0
    assert len(COPIER.fingerprints(READER.read(""))) == 0


@pytest.mark.parametrize(
    ("places", "run"),
    [
        ([], None),
        ([3], Run(3, 7, 4)),
        ([3, 4, 5, 6, 7], Run(3, 11, 8)),
        ([0, 4 + GAP_WORDS], Run(0, 8 + GAP_WORDS, 8)),
        ([0, 5 + GAP_WORDS], Run(0, 4, 4)),
        ([0, 20, 21], Run(20, 25, 5)),
        ([21, 0, 20, 20], Run(20, 25, 5)),
    ],
)
def test_the_longest_run_is_found(places: list[int], run: Run | None) -> None:
    assert longest_run(places) == run


def test_excused_words_do_not_count() -> None:
    assert longest_run([0, 1, 2, 3, 4], excused={2, 3, 4, 5}) == Run(0, 8, 4)
    assert longest_run([0], excused={0, 1, 2, 3}) is None


def test_runs_are_told_for_each_mail() -> None:
    found = {0: ["one"], 1: ["one", "two"], 40: ["two"], 41: ["two"], 42: ["two"]}

    assert runs(found) == {"one": Run(0, 5, 5), "two": Run(40, 46, 6)}
    assert runs(found, excused=set(range(5))) == {"two": Run(40, 46, 6)}
    assert runs({}) == {}


@given(st.lists(st.integers(0, 300), max_size=60), st.sets(st.integers(0, 310), max_size=40))
def test_a_run_has_only_copied_words_that_count(places: list[int], excused: set[int]) -> None:
    counted = {place + at for place in places for at in range(WORDS_A_SHINGLE)} - excused
    run = longest_run(places, excused)

    if run is None:
        assert not counted
    else:
        assert run.words == len(counted & set(range(run.start, run.end)))
        assert {run.start, run.end - 1} <= counted


def test_words_between_two_stock_phrases_belong_to_them() -> None:
    prose = READER.read("please let me know if you have any questions Erika and do not hesitate to contact me")

    assert stock_words(prose, STOCK) == frozenset(range(len(prose.words)))
    assert stock_words(READER.read(LETTER), STOCK) == frozenset()
