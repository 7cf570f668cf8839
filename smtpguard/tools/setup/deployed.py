"""The files of deploy/ for a site: each value that names the site replaced, and nothing else.

Which values these are stands in a table of deploy/README.md, for people and for this module alike. A value counts where
it stands by itself: `example.org` is not part of `mail.example.org`. In regular expressions its dots are `\\.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
_SHIPPED = _PACKAGE / "deployed"
# The wheel carries them within the package (pyproject.toml); a checkout has them where people look for them.
DEPLOY = _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent / "deploy"

_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TOP_KEY = re.compile(r"^(?=[a-z_]+:)", re.MULTILINE)


@cache
def table() -> dict[str, tuple[str, ...]]:
    """Each value of the table, and the folders in whose files it stands. Raises LookupError if there is no table."""
    text = (DEPLOY / "README.md").read_text("utf-8").partition("## Values to replace")[2].partition("\n## ")[0]
    found = {value: tuple(re.findall(r"`([^`]+)`", files)) for value, _, files in _ROW.findall(text)}
    if not found:
        raise LookupError("deploy/README.md has no table of values")
    return found


def values_in(text: str) -> set[str]:
    """The values of the table that stand in this text."""
    return {_plain(found[0]) for found in _values().finditer(text)}


def adapted(name: str, site: Mapping[str, str]) -> str:
    """The file `name` below deploy/ with the values of `site`. `site` may have more than this file needs.

    Raises LookupError if the file has a value of the table that `site` has not, or `site` one that the table has not.
    """
    text = (DEPLOY / name).read_text("utf-8")
    if unknown := site.keys() - table().keys():
        raise LookupError(f"deploy/README.md has no value {sorted(unknown)}")
    if left := values_in(text) - site.keys():
        raise LookupError(f"deploy/{name}: nothing to put in place of {sorted(left)}")

    def ours(found: re.Match[str]) -> str:
        value = site[_plain(found[0])]
        return value.replace(".", r"\.") if r"\." in found[0] else value

    return _values().sub(ours, text)


def parts_of(yaml: str) -> dict[str, str]:
    """The text of each top-level key of a settings file, by the key, without remarks above it."""
    blocks = (each for each in _TOP_KEY.split(yaml) if not each.startswith("#"))
    return {each.partition(":")[0]: each for each in blocks if each}


@cache
def _values() -> re.Pattern[str]:
    spellings = {spelling for value in table() for spelling in (value, value.replace(".", r"\."))}
    longest_first = sorted(spellings, key=len, reverse=True)
    each = "|".join(re.escape(spelling) for spelling in longest_first)
    # A folder ends with its slash; any other value ends where its word does.
    return re.compile(rf"(?<![\w.\\-])(?:{each})(?:(?<=/)|(?![\w-])(?!\\?\.\w))")


def _plain(spelling: str) -> str:
    return spelling.replace(r"\.", ".")
