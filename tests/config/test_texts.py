"""Texts files of the site: other words for a shipped language, further languages, and what happens when one breaks."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

import smtpguard
from smtpguard.answers.choice import Word
from smtpguard.cli import main
from smtpguard.config.in_force import UnusableSettingsError
from smtpguard.config.loading import Loaded, load
from smtpguard.config.sources import source_of
from smtpguard.config.texts import shipped, shipped_wordings, texts_file
from smtpguard.notices.sentences import SENTENCE_CHARACTERS_MAX, SentenceError, compiled, placeholders
from tests.config.test_in_force import SITE, Place, a_list, kept

SHIPPED = Path(smtpguard.__file__).parent / "notices" / "texts"
FINE = "held:\n  fine: {}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write("smtpguard.yaml", SITE)
    made.write("berlin", a_list("berlin"))
    (tmp_path / "texts").mkdir()
    return made


def fine(loaded: Loaded, language: str) -> str:
    return loaded.texts.of(language).text("held.fine")


def complaint(text: str, code: str = "de") -> list[str]:
    """What is wrong with a site's file, errors alone."""
    known = shipped_wordings()
    _, problems = texts_file(code, source_of("t.yaml", text), known["en"], known.get(code))
    return [each.text for each in problems if each.is_error]


def test_a_site_puts_single_texts_otherwise_and_keeps_the_rest(place: Place) -> None:
    place.write("texts/de.yaml", FINE.format("Macht nichts."))

    loaded = load(place.site)

    assert () == loaded.problems
    assert "Macht nichts." == fine(loaded, "de")
    assert "Das ist in Ordnung" not in fine(loaded, "de")
    assert shipped().of("de").text("held.ask") == loaded.texts.of("de").text("held.ask")
    assert "That is fine, too." == fine(loaded, "en")
    assert ("SENDEN",) == loaded.texts.of("de").words[Word.SEND][:1]


def test_english_too_can_be_put_otherwise_and_stands_in_where_others_are_silent(place: Place) -> None:
    place.write("texts/en.yaml", FINE.format("No harm done."))
    place.write("texts/nl.yaml", "held: {hello_nobody: Dag}\nwords: {send: VERZENDEN}\n")

    loaded = load(place.site)

    assert "No harm done." == fine(loaded, "en") == fine(loaded, "nl")
    assert "Dag" == loaded.texts.of("nl").text("held.hello_nobody")
    assert (("VERZENDEN",), ("BACK",)) == tuple(loaded.texts.of("nl").words[each] for each in (Word.SEND, Word.BACK))
    assert [("texts/nl.yaml", False)] == [(each.file, each.is_error) for each in loaded.problems]
    assert "English stands there: " in loaded.problems[0].text


def test_a_further_language_may_be_named_by_the_site_and_by_accounts(place: Place) -> None:
    more = "languages: [nl, en]\naccounts: {anna: {mailbox: anna@example.org, language: nl-BE}}\n"
    place.write("smtpguard.yaml", SITE + more)
    assert 2 == sum("there are no texts for" in each.text for each in load(place.site).problems)

    place.write("texts/nl.yaml", FINE.format("Ook goed."))
    loaded = load(place.site)

    assert loaded.ok
    assert "Ook goed." == loaded.texts.starting_with("nl").of(None).text("held.fine") == fine(loaded, "nl-BE")


def test_the_numbers_of_a_language_have_its_own_forms(place: Place) -> None:
    forms = {"one": "powod", "few": "powody", "many": "powodów", "other": "powodu"}
    lines = "".join(f"    {category}: '{{{{ count }}}} {word}'\n" for category, word in forms.items())
    place.write("texts/pl.yaml", f"held:\n  more:\n{lines}")

    polish = load(place.site).texts.of("pl")

    assert ["1 powod", "3 powody", "5 powodów", "22 powody"] == [
        polish.text("held.more", count=each) for each in (1, 3, 5, 22)
    ]
    # What is said in English has the forms of English.
    assert "a, b, c, d and 2 others" == polish.listed(list("abcdef"))


def test_a_language_that_nobody_knows_dates_of_has_english_ones(place: Place) -> None:
    place.write("texts/qtz.yaml", FINE.format("Hm."))

    assert load(place.site).texts.of("qtz").day(date(2026, 11, 25)) == "Wed 25 Nov"


def test_a_change_counts_when_the_files_are_read_again_and_so_does_a_new_file_and_its_end(place: Place) -> None:
    in_force = place.started()
    path = place.write("texts/de.yaml", FINE.format("Neu."))

    standing = in_force.renew()

    assert ("texts/de.yaml",) == standing.changed
    assert "Neu." == standing.texts.of("de").text("held.fine")
    assert path in in_force.named
    place.write("texts/de.yaml", FINE.format("Neuer."))
    assert "Neuer." == in_force.renew().texts.of("de").text("held.fine")
    path.unlink()
    assert shipped().of("de").text("held.fine") == in_force.renew().texts.of("de").text("held.fine")


@pytest.mark.parametrize("text", ["held: {fine: '{{ fine'}", "held:\n\tfine: x\n", "held: {fein: x}", "\x00", "- a\n"])
def test_a_broken_file_keeps_its_version_and_other_files_load(place: Place, text: str) -> None:
    place.write("texts/de.yaml", FINE.format("Gut."))
    in_force = place.started()
    place.write("texts/de.yaml", text)
    place.write("berlin", a_list("berlin", about="New"))

    standing = in_force.renew()

    assert "Gut." == standing.texts.of("de").text("held.fine")
    assert ["New"] == [each.about for each in standing.policy.lists]
    assert ["texts/de.yaml"] == kept(standing)
    assert standing.kept[0].contact is None  # so the site's is told
    assert "Gut." == place.started().renew().texts.of("de").text("held.fine")  # over a restart as well


def test_a_language_in_use_does_not_go_with_its_file(place: Place) -> None:
    path = place.write("texts/nl.yaml", FINE.format("Ook goed."))
    place.write("smtpguard.yaml", SITE + "languages: [nl]\n")
    in_force = place.started()
    path.unlink()

    standing = in_force.renew()

    assert any("there are no texts" in problem.text for each in standing.kept for problem in each.problems)
    assert "Ook goed." == standing.texts.of("nl").text("held.fine")


def test_a_start_with_a_broken_file_and_no_copies_is_refused_with_words(place: Place) -> None:
    place.write("texts/de.yaml", FINE.format("'{{ fin }}'"))

    with pytest.raises(UnusableSettingsError) as refused:
        place.started()

    assert ["texts/de.yaml"] == [each.file for each in refused.value.problems if each.is_error]


def test_what_lies_there_besides_is_no_language(place: Place) -> None:
    for name in ("README", ".de.yaml.swp", "texts.schema.json", "notes.txt"):
        (place.folder / "texts" / name).write_text("x")
    assert () == load(place.site).problems
    place.write("texts/german.file.yaml", FINE.format("x"))
    assert ["texts/german.file.yaml"] == [each.file for each in load(place.site).problems]


def test_a_file_that_is_too_large_is_not_read(place: Place) -> None:
    place.write("texts/de.yaml", FINE.format("x") + "#" * 200_000)

    assert "larger than 128 KiB" in load(place.site).problems[0].text


@pytest.mark.parametrize(
    "text",
    [
        "{% for x in range(100000) %}{% for y in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 100000000 }}",
        "{{ name.__class__ }}",
        "{{ name['x'] }}",
        "{{ name|upper }}",
        "{{ name() }}",
        "{{ cycler }}{{ cycler.__init__ }}",
        "{% set x = name %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% macro x() %}{% endmacro %}",
        "{% raw %}{{ x }}{% endraw %}{{ x ~ x }}",
        "{{ [name] }}",
        "{{ name if name }}",
        "{{ 2 ** 9999 }}",
        "{% if name is defined %}x{% endif %}",
        "{{",
        "{% if name %}",
        "{% endif %}",
        "x" * (SENTENCE_CHARACTERS_MAX + 1),
        # These would be read, and fail when a notice is written.
        "{% if name > 1 %}x{% endif %}",
        "{% if 1 in name %}x{% endif %}",
        "{%if name%}" * 99 + "x" + "{%endif%}" * 99,
        "{% if " + "not " * 400 + "name %}x{% endif %}",
        "{% if " + "name and " * 200 + "name %}x{% endif %}",
    ],
)
def test_a_sentence_can_neither_reach_into_the_program_nor_grow(text: str) -> None:
    with pytest.raises(SentenceError):
        placeholders(text)


def test_a_number_that_a_text_is_not_given_cannot_be_said() -> None:
    assert ["this text has no placeholder {{ count }}. There are: name."] == complaint(
        "held: {hello: 'Hallo {{ name }}, {{ count }}'}"
    )
    assert [] == complaint("held: {more: {one: Und noch einer, other: 'Und {{ count }}'}}")


@pytest.mark.parametrize("pattern", ["EEE d MMM HH:mm", "d MMM zzzz", "d MMM B", "HH:mm"])
def test_a_day_has_no_hour(pattern: str) -> None:
    assert "no pattern for a date" in complaint(f"dates: {{day: '{pattern}'}}")[0]


def test_a_moment_can_be_said_at_every_hour() -> None:
    assert "no pattern for a date" in complaint("dates: {moment: d MMM b}")[0]
    assert [] == complaint("dates: {moment: 'd MMM, HH:mm zzzz'}")


def test_a_sentence_may_have_placeholders_and_conditions_and_nothing_of_a_fact_is_read_as_one() -> None:
    text = "{% if a and not b %}{{ a }}{% elif count == 1 %}one{% else %}-{% endif %}"

    assert frozenset({"a", "b", "count"}) == placeholders(text)
    assert "{{ 7*7 }}" == compiled(text).render(a="{{ 7*7 }}", b="", count=1)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("{send: BACK}", True),
        ("{send: SENDEN, discard: senden}", True),
        ("{discard: SENDEN}", True),
        ("{back: NUR}", True),
        ("{send: [SENDEN, LOS]}", False),
        ("{send: 'SENDEN!'}", True),
        ("{send: SENDEN1}", True),
        ("{send: ''}", True),
    ],
)
def test_no_word_means_two_choices_here_or_in_english(words: str, wrong: bool) -> None:
    assert wrong is bool(complaint(f"words: {words}\n"))


@pytest.mark.parametrize("language", shipped().codes)
def test_words_of_all_shipped_languages_mean_one_choice_each(language: str) -> None:
    meant: dict[str, Word] = {}
    for code in ("en", language):
        for word, spellings in shipped().of(code).words.items():
            for each in spellings:
                assert meant.setdefault(each.casefold(), word) is word


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("nl,fr;q=0.3,es;q=0.7", "es"),
        ("fr;q=0, es;q=0.1", "es"),
        ("nl, *;q=0.5, de;q=0.1", "en"),
        ("xx;q=nonsense, de;q=0.5", "de"),
        ("en_US", "en"),
        (",;,;q=", "en"),
        ("a" * 100_000 + ",de", "en"),
    ],
)
def test_a_browser_gets_the_language_it_likes_best(header: str | None, code: str) -> None:
    assert code == shipped().best(header).code


def test_the_schema_takes_what_is_shipped_and_marks_slips() -> None:
    said = CliRunner().invoke(main, ["schema", "texts"])
    made = json.loads(said.stdout)
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made)

    for path in sorted(SHIPPED.glob("*.yaml")):
        assert [] == list(validator.iter_errors(yaml.safe_load(path.read_text("utf-8")))), path.name
    for slip in ("held: {fein: x}", "helt: {}", "words: {stop: X}", "words: {send: 'A B'}", "held: {more: {one: x}}"):
        assert list(validator.iter_errors(yaml.safe_load(slip))), slip
    assert "That is fine, too." == made["properties"]["held"]["properties"]["fine"]["description"]


def test_check_tells_of_texts_as_well(place: Place) -> None:
    place.write("texts/de.yaml", "held: {fein: x}\n")

    said = CliRunner().invoke(main, ["check", "--config", str(place.site)])

    assert 'texts/de.yaml:1:8: there is no text "fein". Did you mean "fine"?' in said.output
    assert 0 != said.exit_code
