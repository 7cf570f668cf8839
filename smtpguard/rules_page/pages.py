"""The rules page as HTML and as plain text, for `smtpguard rules-page` and for the guard's own web server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined, select_autoescape
from markupsafe import Markup

from smtpguard.notices.languages import Language
from smtpguard.notices.layouts import wrapped
from smtpguard.rules_page.facts import Facts
from smtpguard.rules_page.outline import outline_of


@dataclass(frozen=True, slots=True)
class RulesPage:
    """The page in one language: what its main part is, as HTML, and all of it as plain text."""

    title: str
    main: Markup = field(repr=False)
    text: str = field(repr=False)


def rules_page(facts: Facts, language: Language, text_link: str = "rules.txt") -> RulesPage:
    """The page that tells `facts`; it links the plain one as `text_link`."""
    outline = outline_of(facts, language)
    told = {"outline": outline, "text_link": text_link}
    main = Markup(_layout("main.html", told))  # noqa: S704 - the layout has escaped it
    return RulesPage(outline.title, main, _layout("rules.txt", told))


def rules_files(facts: Facts, language: Language) -> dict[str, str]:
    """The files for a web server that is not ours, by name: each is whole in itself."""
    page = rules_page(facts, language)
    title = f"{page.title} - {facts.organisation}" if facts.organisation else page.title
    return {
        "index.html": _layout("file.html", {"language": language, "title": title, "main": page.main}),
        "rules.txt": page.text,
    }


def style() -> str:
    """The style of what `rules_page` makes: colours, links and the table (CSS)."""
    return _layout("style.css", {})


def _layout(name: str, told: Mapping[str, object]) -> str:
    return _environment().get_template(name).render(told)


def prepare() -> None:
    """Compile all layouts."""
    for each in _environment().list_templates():
        _environment().get_template(each)


@cache
def _environment() -> Environment:
    folder = files("smtpguard.rules_page") / "layouts"
    environment = Environment(
        loader=DictLoader({each.name: each.read_text("utf-8") for each in folder.iterdir()}),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrapped"] = wrapped
    return environment
