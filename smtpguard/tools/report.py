"""What is wrong with the settings, for people, for programs, and as remarks of a code review on GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from smtpguard.config.problems import Problem, format_problem

Format = Literal["text", "json", "github"]
FORMATS: tuple[Format, ...] = ("text", "json", "github")


def report(problems: Sequence[Problem], remarks: Sequence[str], config: Path, form: Format) -> list[str]:
    """The lines to print. `remarks` concern no line of a file: what is missing to serve, how many lists there are.

    "json" is one object in one line. "github" has one workflow command for each problem
    (https://docs.github.com/actions/reference/workflow-commands); paths in it start at the working directory.
    """
    if form == "json":
        return [json.dumps(_object(problems, remarks))]
    if form == "github":
        return [*(_command(each, config.parent) for each in problems), *remarks]
    return [*map(format_problem, problems), *remarks]


def _object(problems: Iterable[Problem], remarks: Sequence[str]) -> dict[str, object]:
    found = [
        {
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "severity": each.severity.value,
            "text": each.text,
            "quoted": each.quoted,
        }
        for each in problems
    ]
    return {"ok": not any(each["severity"] == "error" for each in found), "problems": found, "remarks": [*remarks]}


def _command(problem: Problem, folder: Path) -> str:
    places = {"file": os.path.relpath(folder / problem.file)}
    if problem.line:
        places |= {"line": str(problem.line), "col": str(problem.column)}
    named = ",".join(f"{name}={_property(value)}" for name, value in places.items())
    return f"::{problem.severity.value} {named}::{_data(problem.text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
