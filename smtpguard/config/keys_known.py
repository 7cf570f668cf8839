"""Words for keys that are unknown, stand in the wrong place, or are missing."""

from __future__ import annotations

from collections.abc import Mapping

from smtpguard.config.binding import NO_SETTING, suggestion
from smtpguard.config.later import LATER_KEYS
from smtpguard.config.lists import LIST_MODELS, ListSettings
from smtpguard.config.problems import quoted_value
from smtpguard.config.sections import Defaults, Section
from smtpguard.config.settings import MODELS, Settings

# More names than this do not help whoever has mistyped one; README.md has them all.
NAMES_LISTED_MAX = 12


def _names(model: type[Section]) -> tuple[str, ...]:
    """The keys of a model as they are written."""
    return tuple(each.alias or name for name, each in model.model_fields.items())


_LIST_KEYS = _names(ListSettings)
_LIST_PLACES = {key: place for place, model in LIST_MODELS.items() if place for key in _names(model)}

# Those below the first level, too: whoever writes one into a list's file has seen it in the site's.
_SITE_KEYS = frozenset(key for model in MODELS.values() for key in _names(model)).union(*LATER_KEYS.values())

REQUIRED_OF_LISTS: Mapping[str, str] = {
    "list": "the list's posting address",
    "manager": "write one of mailman3, sympa, ezmlm, plain",
    "about": "one sentence for members, shown in notices",
    "contact": "the address that answers for this list",
    "subject_has": "the words in a Subject that belong to another list",
    "use": "the list that such mail belongs to",
    "until": "the last day of the exception, written as 2026-12-31",
    "crosspost_with": "the lists that may be written to together with this one until then",
    "reason": "a few words for members, like the name of the event",
    "to": "the lists and persons that the example is addressed to",
    "expect": "write one of pass, hold, refuse",
}
REQUIRED_OF_SITE: Mapping[str, str] = {
    "listen": 'where to listen, "HOST:PORT"',
    "certificate": "the PEM file with the certificate and its chain",
    "key_file": "the PEM file with the certificate's key",
    "mailbox": "the address that notices to this account go to, or null",
    "expands": "the lists and persons that mail to this address reaches",
}


def unknown_to_site(place: str, name: str) -> str:
    """What is wrong with the key `name` at `place` (keys joined by dots) of smtpguard.yaml."""
    if name in LATER_KEYS.get(place, ()):
        return f"{quoted_value(name)} is not available in this version."
    if place == "" and name in _LIST_KEYS and name not in Defaults.model_fields:
        return f"{quoted_value(name)} belongs into a list's own file (lists/NAME.yaml)."
    home = next((each for each, model in MODELS.items() if each != place and name in model.model_fields), None)
    known = _names(MODELS[place]) if place in MODELS else ()
    near = _near(name, known)
    if home is not None and not near:
        where = f'below "{home.partition(".")[0]}:"' if home else "at the left edge, not below another setting"
        return f"{quoted_value(name)} is not known here. It belongs {where}."
    return f"{NO_SETTING} {quoted_value(name)} here.{near or _all(known)}"


def unknown_to_list(place: str, name: str) -> str:
    """What is wrong with the key `name` at `place` of a list file."""
    if place:
        known = _names(LIST_MODELS[place]) if place in LIST_MODELS else ()
        near = _near(name, known)
        if name in _LIST_KEYS and not near:
            return f'{quoted_value(name)} is not known below "{place}:". It belongs at the left edge.'
        return f'{NO_SETTING} {quoted_value(name)} below "{place}:".{near or _all(known)}'
    if name in Settings.model_fields or name in LATER_KEYS[""] or name in Defaults.model_fields:
        return _of_site(name)
    if name in _LIST_PLACES:
        return f'{quoted_value(name)} belongs below "{_LIST_PLACES[name]}:", indented.'
    near = _near(name, _LIST_KEYS)
    if not near and name in _SITE_KEYS:
        return _of_site(name)
    return f"{NO_SETTING} {quoted_value(name)} for a list.{near or _all(_LIST_KEYS)}"


def _of_site(name: str) -> str:
    return f"{quoted_value(name)} can only be set by the site admin (smtpguard.yaml)."


def _near(name: str, known: tuple[str, ...]) -> str:
    """A key that was probably meant: one that looks alike, or the only one that begins so."""
    longer = [each for each in known if len(name) > 1 and each.startswith(name.lower())]
    return suggestion(name, known) or (f' Did you mean "{longer[0]}"?' if len(longer) == 1 else "")


def _all(known: tuple[str, ...]) -> str:
    """The names that are known, where they fit into a sentence."""
    return f" Known are: {', '.join(known)}." if 0 < len(known) <= NAMES_LISTED_MAX else ""
