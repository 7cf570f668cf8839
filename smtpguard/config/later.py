"""Keys of record that this version does not know yet: an admin who writes one is told so, instead of "unknown".

Places are named by the keys that lead there, with dots; numbers of entries are left out, a listener has its kind.
"""

from __future__ import annotations

from collections.abc import Mapping

SITE = ""
LIST = "list file"

_LATER: Mapping[str, str] = {
    SITE: "public_url rules member_domains roster consent_marks private_marks secret_file members_informed stock web "
    "metrics workers",
    LIST: "strict adding_people encrypted",
    "defaults": "adding_people private_max_recipients strict",
    "store": "url_file",
    "limits": "inspect_text inspect_parts inspect_depth inspect_time holds_per_account held_bytes_per_account "
    "notices_per_account_and_day alarms_per_account_and_hour",
}
LATER_KEYS: Mapping[str, frozenset[str]] = {place: frozenset(keys.split()) for place, keys in _LATER.items()}

LATER_VALUES: Mapping[str, frozenset[str]] = {
    "listeners.kind": frozenset({"tap"}),
    "remember": frozenset({"threads", "all"}),
    "store.kind": frozenset({"postgresql"}),
}
