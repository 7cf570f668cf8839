"""Letters of any language -> ASCII, as people write who have no others on their keyboard; for SMTP replies.

A client may show the octets of a reply as it likes: only ASCII is safe (RFC 5321, 4.2.1; RFC 6531, 3.7.4.2).
"""

from __future__ import annotations

import unicodedata

# In German an umlaut without its dots is another word; elsewhere an accent that is missing is read over.
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
# What does not come apart into a letter and an accent, and the signs around words.
_SINGLE = str.maketrans("øØłŁđĐðÐıħĦ„“”«»‟‚‘’‹›‐‑‒–—―−", "oOlLdDdDihH" + '"' * 6 + "'" * 5 + "-" * 7, "¿¡")
_SEVERAL = str.maketrans({"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "TH"})


def folded(text: str, code: str) -> str:
    """`text` of the language `code` with the nearest letters of ASCII; what has none stays as it is."""
    text = unicodedata.normalize("NFC", text)
    if code.lower().partition("-")[0] == "de":
        text = text.translate(_GERMAN)
    apart = unicodedata.normalize("NFKD", text.translate(_SINGLE).translate(_SEVERAL))
    # Mn: accents; Cf: soft hyphens and marks that cannot be seen.
    return "".join(each for each in apart if each.isascii() or unicodedata.category(each) not in ("Mn", "Cf"))
