"""Parts of a message that cannot be looked into, though a mail may be in them (SEMANTICS 11-18).

Known by type, name, or the first octets. An archive without a password is not opened either, and nothing is said of
it: that is an honest limit, not a reason to ask.
"""

from __future__ import annotations

from smtpguard.mail.message import Unread

_TYPES = {
    "application/ms-tnef": Unread.TNEF,
    "application/vnd.ms-tnef": Unread.TNEF,
    "application/vnd.ms-outlook": Unread.OUTLOOK,
    "application/x-msg": Unread.OUTLOOK,
    "message/partial": Unread.PARTIAL,
    "message/external-body": Unread.EXTERNAL,
}
_NAMES = {"winmail.dat": Unread.TNEF, "win.dat": Unread.TNEF}
_TNEF = bytes.fromhex("789f3e22")
_ZIP, _ZIP_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_SEVEN = bytes.fromhex("377abcaf271c")
_SEVEN_AES = bytes.fromhex("06f10701")
_RAR_4, _RAR_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
ARCHIVES = (_ZIP, _SEVEN, b"Rar!\x1a\x07")
# Files named in a directory of an archive of which flags are looked at.
ENTRIES_MAX = 1000


def unread_type(type_: str, filename: str) -> Unread | None:
    """What a part's type or file name says; lower-case `type_`."""
    name = filename.lower()
    found = _TYPES.get(type_) or _NAMES.get(name)
    return found or (Unread.OUTLOOK if name.endswith((".msg", ".oft")) else None)


def unread_file(head: bytes, tail: bytes) -> Unread | None:
    """What the beginning and the end of a file say. Linear; never raises."""
    if head.startswith(_TNEF):
        return Unread.TNEF
    if head.startswith(_ZIP):
        locked = _locked_zip(head, _ZIP, 6) or _locked_zip(tail, _ZIP_ENTRY, 8)
    elif head.startswith(_SEVEN):
        # AES is named in the list of coders, which stands at the end, with its names encrypted or not.
        locked = _SEVEN_AES in tail or _SEVEN_AES in head
    elif head.startswith(_RAR_5):
        locked = _locked_rar_5(head)
    else:
        locked = head.startswith(_RAR_4) and _locked_rar_4(head)
    return Unread.LOCKED if locked else None


def _locked_zip(octets: bytes, mark: bytes, flags: int) -> bool:
    """Whether bit 0 of the general purpose flags is set in any entry (APPNOTE 4.4.4)."""
    at = octets.find(mark)
    for _ in range(ENTRIES_MAX):
        if at < 0:
            return False
        if octets[at + flags : at + flags + 1] and octets[at + flags] & 1:
            return True
        at = octets.find(mark, at + len(mark))
    return False


def _locked_rar_4(head: bytes) -> bool:
    """MHD_PASSWORD in the main header, or LHD_PASSWORD in the first file's."""
    size = int.from_bytes(head[12:14], "little")
    first = head[7 + size : 7 + size + 7]
    return bool(head[10:11] and head[10] & 0x80) or (len(first) == 7 and first[2] == 0x74 and bool(first[3] & 0x04))


def _locked_rar_5(head: bytes) -> bool:
    """An encryption header, or an encryption record (type 1) in the extra area of the first files (RAR 5.0 format)."""
    at = len(_RAR_5)
    for _ in range(8):
        size, start = _number(head, at + 4)
        kind, position = _number(head, start)
        if size <= 0 or kind < 0:
            return False
        if kind == 4:
            return True
        flags, position = _number(head, position)
        if kind == 2 and flags & 1:
            extra, _ = _number(head, position)
            record, inner = _number(head, start + size - extra)
            if record > 0 and _number(head, inner)[0] == 1:
                return True
        at = start + size
        if flags & 2:
            # The data of a file follow, and the other headers are beyond what is looked at.
            return False
    return False


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """A number of RAR 5.0 (seven bits an octet) and where it ends; (-1, at) where there is none."""
    value = 0
    for n, octet in enumerate(octets[at : at + 10] if at >= 0 else b""):
        value |= (octet & 0x7F) << (7 * n)
        if octet < 0x80:
            return value, at + n + 1
    return -1, at
