"""Fingerprints of list posts: the same text is known again, edited; another one is not."""

from __future__ import annotations

import random
import time

import pytest

from smtpguard.fingerprints import WORDS_MAX, Fingerprinter, share, to_octets, words_of

KEY = bytes(range(32))
ALIKE = 0.8  # 12-12
_LETTERS = random.Random(3)
VOCABULARY = ["".join(_LETTERS.choices("abcdefghiklmnoprstuvwz", k=_LETTERS.randint(2, 9))) for _ in range(3000)]
# The nth word is said 1/n as often as the first (Zipf), as in prose.
WEIGHTS = [1 / (number + 1) for number in range(len(VOCABULARY))]


def prose(chosen: random.Random, count: int) -> list[str]:
    return chosen.choices(VOCABULARY, WEIGHTS, k=count)


def changed(chosen: random.Random, words: list[str], part: float) -> list[str]:
    """The words with `part` of them, at random, replaced."""
    out = list(words)
    for place in chosen.sample(range(len(words)), round(len(words) * part)):
        out[place] = chosen.choice(VOCABULARY)
    return out


def similarity(new: list[str], earlier: list[str], key: bytes = KEY) -> float:
    fingerprinter = Fingerprinter(key)
    return share(fingerprinter.windows(new), to_octets(fingerprinter.windows(earlier)))


def test_12_12_edited_reposts_are_recognised() -> None:
    chosen = random.Random(1)
    for count in (40, 50, 70, 100, 300):
        found = 0
        for _ in range(200):
            words = prose(chosen, count)
            found += similarity(changed(chosen, words, 0.1), words) >= ALIKE
        assert found >= 190, f"{found} of 200 with {count} words"


def test_12_12_every_tenth_word_changed_is_always_recognised() -> None:
    chosen = random.Random(2)
    for count in range(40, 120):
        words = prose(chosen, count)
        new = [chosen.choice(VOCABULARY) if n % 10 == 9 else each for n, each in enumerate(words)]
        assert similarity(new, words) >= ALIKE


def test_12_12_unrelated_posts_are_not_alike() -> None:
    chosen = random.Random(4)
    fingerprinter = Fingerprinter(KEY)
    posts = [fingerprinter.windows(prose(chosen, chosen.randint(20, 400))) for _ in range(150)]
    stored = [to_octets(each) for each in posts]

    highest = max(share(one, other) for n, one in enumerate(posts) for m, other in enumerate(stored) if n != m)

    assert highest < 0.5


@pytest.mark.parametrize(
    ("new", "earlier", "low", "high"),
    [
        pytest.param(60, 60, 1.0, 1.0, id="the-same"),
        pytest.param(60, 30, 0.5, 0.6, id="half-of-it-is-new"),
        pytest.param(30, 60, 1.0, 1.0, id="a-part-of-the-earlier-one"),
        pytest.param(60, 0, 0.0, 0.0, id="nothing-before"),
        pytest.param(0, 60, 0.0, 0.0, id="nothing-new"),
        pytest.param(3, 3, 0.0, 0.0, id="too-short"),
    ],
)
def test_the_share_is_that_of_the_new_text(new: int, earlier: int, low: float, high: float) -> None:
    words = [f"word{number}" for number in range(100)]
    assert low <= similarity(words[:new], words[:earlier]) <= high


def test_a_paragraph_written_new_between_two_kept_ones_does_not_count_as_kept() -> None:
    words = [f"word{number}" for number in range(60)]
    new = [*words[:20], *(f"new{number}" for number in range(20)), *words[40:]]
    assert similarity(new, words) == pytest.approx(40 / 60, abs=0.01)


@pytest.mark.parametrize(
    "spelt",
    [
        "The Meeting of ALL members, Friday (18:00)!",
        "the\nmeeting > of all\tmembers friday 18 00",
        "the mee\u00adting of a\u200bll members \u2066friday 18:00",
        "\uff34he meeting of all members friday 18.00",
    ],
)
def test_case_line_breaks_and_what_nobody_sees_do_not_count(spelt: str) -> None:
    assert words_of(spelt) == ["the", "meeting", "of", "all", "members", "friday", "18", "00"]


def test_lone_surrogates_and_no_words_are_fine() -> None:
    assert words_of("") == []
    assert words_of("\ud83d ... \x00 ---") == []
    fingerprinter = Fingerprinter(KEY)
    assert len(fingerprinter.windows(["a\ud800", "b", "c", "d"])) == 1


def test_two_keys_have_nothing_in_common() -> None:
    words = prose(random.Random(5), 200)
    one, other = Fingerprinter(KEY).windows(words), Fingerprinter(bytes(32)).windows(words)
    assert set(one).isdisjoint(other)
    assert share(one, to_octets(other)) == 0.0


def test_windows_stand_in_the_order_of_the_words() -> None:
    fingerprinter = Fingerprinter(KEY)
    words = [f"word{number}" for number in range(50)]
    windows = fingerprinter.windows(words)
    assert len(windows) == 47
    for place in (0, 1, 2, 3, 17, 46):
        assert list(fingerprinter.windows(words[place : place + 4])) == [windows[place]]
    assert len(to_octets(windows)) == 4 * len(windows)


def test_a_huge_text_costs_what_a_long_one_costs() -> None:
    began = time.process_time()
    words = words_of("many different words " * 1_000_000)
    windows = Fingerprinter(KEY).windows(words)
    assert len(words) == WORDS_MAX
    assert len(to_octets(windows)) <= 4 * WORDS_MAX
    assert time.process_time() - began < 5  # an eternity: unbounded it takes a minute


def test_words_of_one_letter_and_no_blank_are_bounded_too() -> None:
    assert len(words_of("x" * 10_000_000)) == 1
    fingerprinter = Fingerprinter(KEY)
    for first in range(0, 60_000, 2000):
        fingerprinter.windows([str(number) for number in range(first, first + 2000)])
    assert len(fingerprinter._hashes) <= 20_000
