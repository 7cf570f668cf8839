"""Going through the questions: what stands on the command line, what is typed, and what is taken for lack of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smtpguard.config.problems import printable
from smtpguard.tools.setup.answers import Answers, Said
from smtpguard.tools.setup.found import Found
from smtpguard.tools.setup.questions import Question, answers_of, in_order

Ask = Callable[[Question, str | None], str]
"""Asks a person; gets the question and what an empty answer stands for, and gives the text that was typed."""
Say = Callable[[str], None]

# Whoever misses it so often does not know the answer, or is a program that says the same for ever.
TRIES_MAX = 10


class MissingError(Exception):
    """A question has no answer, or none that can be used; the text says which, and what to do."""


def all_answers(found: Found, given: Mapping[str, str], ask: Ask | None, say: Say) -> Answers:
    """Answer every question. `given` are texts of the command line by question; without `ask`, nobody is asked, and
    what was found or is usual counts. `say` tells a person what is wrong with an answer.

    Raises MissingError.
    """
    said: Said = {}
    for question in in_order(said):
        text = given.get(question.name)
        if text is not None:
            said[question.name] = _read(question, text, said)
            continue
        proposed = question.propose(found, said)
        said[question.name] = (
            _taken(question, proposed, said) if ask is None else _asked(question, proposed, said, ask, say)
        )
    if superfluous := [each for each in given if each not in said]:
        text = ", ".join(f"--{each.replace('_', '-')}" for each in superfluous)
        raise MissingError(f"{text}: this belongs to --place front.")
    return answers_of(said)


def _read(question: Question, text: str, said: Said) -> object:
    try:
        return question.read(text, said)
    except ValueError as error:
        raise MissingError(printable(f"{question.option} {text}: {error}")) from error


def _taken(question: Question, proposed: str | None, said: Said) -> object:
    if proposed is None:
        raise MissingError(f"give {question.option}: nothing was found for it, and with --yes nobody is asked.")
    try:
        return question.read(proposed, said)
    except ValueError as error:
        text = f"give {question.option}: what was found cannot be taken: {proposed}: {error}"
        raise MissingError(printable(text)) from error


def _asked(question: Question, proposed: str | None, said: Said, ask: Ask, say: Say) -> object:
    for _ in range(TRIES_MAX):
        try:
            return question.read(ask(question, proposed), said)
        except ValueError as error:
            say(printable(f"  That cannot be: {error}"))
    raise MissingError(f"{question.option}: no answer that can be used in {TRIES_MAX} tries.")
