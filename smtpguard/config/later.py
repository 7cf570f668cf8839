"""Keys of record that this version does not know yet: an admin who writes one is told so, instead of "unknown".

Places are named by the keys that lead there, with dots; numbers of entries are left out, a listener has its kind.
"""

from __future__ import annotations

from collections.abc import Mapping

SITE = ""

_LATER: Mapping[str, str] = {
    SITE: "",
}
LATER_KEYS: Mapping[str, frozenset[str]] = {place: frozenset(keys.split()) for place, keys in _LATER.items()}

LATER_VALUES: Mapping[str, frozenset[str]] = {}
