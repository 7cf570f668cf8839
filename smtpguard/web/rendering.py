"""The page's templates, each a whole page in one language; and what is served as it is: one style, one script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from starlette.responses import HTMLResponse, Response

from smtpguard.notices.languages import Language
from smtpguard.notices.letter import clean_line
from smtpguard.notices.site import Site
from smtpguard.rules_page.pages import RulesPage, style

SERVED: Mapping[str, str] = {"page.css": "text/css; charset=utf-8", "h.js": "text/javascript; charset=utf-8"}
"""Files that are served, and their types."""


def page(
    name: str, language: Language, site: Site, title: str, *, answers: bool, status: int = 200, **facts: object
) -> Response:
    """The page `name` ("view"). `title` stands in the browser's tab and its history; `answers` is true where codes are
    taken. A text comes in plain and is escaped here."""
    everywhere: dict[str, object] = {
        "t": language.text,
        "language": language,
        "title": title,
        "organisation": clean_line(site.organisation),
        "call": site.call,
        "answers": answers,
    }
    text = _environment().get_template(f"{name}.html").render({**everywhere, **facts})
    # What a client typed outside UTF-8 stands in an envelope as lone surrogates.
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers=language_fields(language))


def rules(told: RulesPage, language: Language, site: Site, *, answers: bool, others: Sequence[Language]) -> Response:
    """The rules page, with links to itself in `others`."""
    # Whom to call is a person, and this page names none (T-52).
    return page("rules", language, site, told.title, answers=answers, call=None, main=told.main, others=others)


def language_fields(language: Language) -> dict[str, str]:
    """What an answer says of its language, and what that was chosen by (RFC 9110, 8.5 and 12.5.5)."""
    return {"Content-Language": language.tag, "Vary": "Accept-Language"}


def prepare() -> None:
    """Compile all templates, and read what is served."""
    for each in _environment().list_templates():
        _environment().get_template(each)
    for each in SERVED:
        served(each)


@cache
def served(name: str) -> bytes:
    """The octets of a file of `SERVED`."""
    own = (files("smtpguard.web") / "served" / name).read_bytes()
    return style().encode("utf-8") + own if name == "page.css" else own


@cache
def _environment() -> Environment:
    folder = files("smtpguard.web") / "templates"
    return Environment(
        loader=DictLoader({each.name: each.read_text("utf-8") for each in folder.iterdir()}),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
