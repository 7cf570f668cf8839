"""The sketch of a held mail (T-02): finds the corrected copy, gives no word back."""

from __future__ import annotations

import random

from smtpguard.held import Tags
from smtpguard.mail.message import Account
from smtpguard.mail.subjects import base_subject
from smtpguard.sketch import alike, sketch_of
from smtpguard.tags import is_corrected_by, tags_of
from tests.test_fingerprints import KEY, VOCABULARY, changed, prose


def sketch(words: list[str], key: bytes = KEY) -> bytes:
    made = sketch_of(key, words)
    assert made is not None
    return made


def test_T_02_every_tenth_word_changed_is_found() -> None:
    chosen = random.Random(1)
    for count in (30, 40, 80, 200, 500):
        for _ in range(10):
            words = prose(chosen, count)
            new = [chosen.choice(VOCABULARY) if n % 10 == 5 else each for n, each in enumerate(words)]
            assert alike(sketch(words), sketch(new)), count


def test_T_02_ten_of_a_hundred_words_changed_at_random_are_found() -> None:
    chosen = random.Random(2)
    found = 0
    for _ in range(60):
        words = prose(chosen, 60)
        found += alike(sketch(words), sketch(changed(chosen, words, 0.1)))
    assert found >= 58


def test_T_02_unrelated_texts_are_not_alike() -> None:
    chosen = random.Random(3)
    sketches = [sketch(prose(chosen, chosen.randint(20, 300))) for _ in range(80)]
    pairs = [(one, other) for n, one in enumerate(sketches) for other in sketches[:n]]
    assert not any(alike(one, other) for one, other in pairs)


def test_it_is_256_bits_whatever_the_text() -> None:
    assert {len(sketch([str(n) for n in range(count)])) for count in (8, 100, 5000)} == {32}
    assert sketch_of(KEY, ["see", "you", "there"]) is None
    assert sketch_of(KEY, []) is None


def test_another_weeks_key_gives_another_sketch() -> None:
    words = prose(random.Random(4), 100)
    assert not alike(sketch(words), sketch(words, bytes(32)))


def test_12_14_a_held_mail_is_corrected_by_one_with_nearly_the_same_words() -> None:
    words = prose(random.Random(5), 50)
    account = Account("anna")

    def tags(**more: object) -> Tags:
        return tags_of("2026-W47", KEY, account=account, recipients=(), message_id=None, content=b"", **more)  # type: ignore[arg-type]

    held = tags(base_subject="Minutes", words=words)
    assert is_corrected_by(held, sketch(words))
    assert not is_corrected_by(held, sketch(words[::-1]))
    # Without a Subject, or with a few words only, nothing corrects it.
    assert tags(words=words).subject is None
    wordless = tags(base_subject="Minutes", words=words[:5])
    assert (wordless.subject, wordless.sketch) == (None, None)
    assert not is_corrected_by(wordless, sketch(words))


def test_the_base_subject_is_what_answers_and_forwards_share() -> None:
    for subject in (
        "Minutes",
        "Re: Minutes",
        "AW: Re: [berlin] Minutes",
        "[berlin] Re[2]: Minutes",
        "Minutes (fwd)",
        "Fwd: [berlin] [x] Minutes ",
    ):
        assert base_subject(subject) == "Minutes", subject
    assert base_subject("Reform: now") == "Reform: now"
    assert base_subject("[berlin]") == "[berlin]"
    assert base_subject("") == ""
    assert len(base_subject("x" * 100_000)) < 1000
    assert base_subject("Re: " * 10_000) is not None
