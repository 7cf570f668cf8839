"""Folders as Sympa 6.2 keeps its lists, written for these tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

DISCUSSION = """\
# made by hand, years ago
subject Choir: rehearsals and concerts

status open

visibility noconceal

send privateoreditorkey

owner
email cara@example.org
profile privileged
gecos Cara, alto

digest 1,4 13:26

custom_subject choir
"""
NEWSLETTER = """\
subject "News": twice a year \\ no replies

status open
send_unknown 1

send newsletterkeyonly

visibility noconceal

reply_to_header
value other_email
other_email choir@lists.example.org
apply forced

editor
email erik@example.org

editor
reception mail
email Dora@Example.org

owner
email cara@example.org
"""
ALL = """\
subject Everybody

status open

send closed

visibility secret

include_sympa_list
name singers
listname choir

include_sympa_list
listname news@lists.example.org

include_sympa_list
listname board
filter isSubscriber

include_list elsewhere@lists.example.net
"""
CLOSED = """\
subject Given up

status closed

send private
"""
BOARD = "subject Vorstand: \xe4ltere Akten\n\nstatus open\n\nsend editorkey\n"
EDITORS = """\
date_epoch 1700000000
email fred@example.org
gecos Fred

email gina@example.org
reception mail
"""
LISTS = {"choir": DISCUSSION, "news": NEWSLETTER, "everybody": ALL, "old": CLOSED, "board": BOARD}


def write_lists(folder: Path, domain: str | None = "lists.example.org") -> Path:
    """All lists below `folder`, in a robot's folder if there is a domain."""
    place = folder if domain is None else folder / domain
    for name, text in LISTS.items():
        (place / name).mkdir(parents=True)
        # The board's file is from before Sympa wrote UTF-8.
        (place / name / "config").write_bytes(text.encode("latin-1" if name == "board" else "utf-8"))
        (place / name / "shared").mkdir()
        (place / name / "shared" / "config").write_text("subject no list\n\nsend public\n")
    return folder


def packed(folder: Path, mode: str = "w:gz") -> bytes:
    """`folder` as a tar archive."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode=mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, arcname="list_data")
    return octets.getvalue()
