"""JSON Schema (2020-12) of texts files, made of the English one, which says what texts there are."""

from __future__ import annotations

from typing import Any

from smtpguard.answers.choice import Word
from smtpguard.config.texts import NAME_CHARACTERS_MAX, NUMBERS_MAX, SYNONYMS_MAX, WORD_CHARACTERS_MAX, shipped_wordings
from smtpguard.notices.languages import DEFAULT_LANGUAGE, Forms
from smtpguard.notices.sentences import SENTENCE_CHARACTERS_MAX

# Plural categories of Unicode (CLDR), of which each language has some.
_CATEGORIES = ("zero", "one", "two", "few", "many", "other")
_SENTENCE = {"type": "string", "minLength": 1, "maxLength": SENTENCE_CHARACTERS_MAX, "pattern": "\\S"}
_LINE = {"type": "string", "minLength": 1, "maxLength": NAME_CHARACTERS_MAX, "pattern": "\\S"}
_WORD = {"type": "string", "minLength": 1, "maxLength": WORD_CHARACTERS_MAX, "pattern": "^[^\\s\\d_]+$"}


def texts_schema(dialect: str) -> dict[str, Any]:
    """The schema of texts/LANGUAGE.yaml; each text is described by the English one."""
    english = shipped_wordings()[DEFAULT_LANGUAGE]
    words = {"anyOf": [_WORD, {"type": "array", "items": _WORD, "minItems": 1, "maxItems": SYNONYMS_MAX}]}
    sections: dict[str, dict[str, Any]] = {}
    for name, said in english.texts.items():
        section, _, text = name.partition(".")
        sections.setdefault(section, {})[text] = {"$ref": "#/$defs/text", "description": _shown(said)}
    properties = {
        "name": {**_LINE, "description": "What the language calls itself."},
        "words": _table({each.name.lower(): words for each in Word}, "What members answer; the first is printed."),
        "dates": _table(dict.fromkeys(english.dates, _LINE), "Patterns of Unicode (CLDR), like EEE d MMM, HH:mm."),
        "numbers": {"type": "array", "items": _LINE, "maxItems": NUMBERS_MAX, "description": "Words from zero on."},
        **{section: _table(texts) for section, texts in sections.items()},
    }
    forms = {**_table(dict.fromkeys(_CATEGORIES, _SENTENCE)), "required": ["other"]}
    return {
        "$schema": dialect,
        "title": "texts/LANGUAGE.yaml",
        **_table(properties),
        "$defs": {"text": {"anyOf": [_SENTENCE, forms]}},
    }


def _table(properties: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    made = {"type": "object", "properties": properties, "additionalProperties": False}
    return made if description is None else {**made, "description": description}


def _shown(said: Forms) -> str:
    return said.strip() if isinstance(said, str) else said["other"].strip()
