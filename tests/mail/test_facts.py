"""What a message says of itself besides its words: wishes, seals, invitations, and what cannot be looked into."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

from smtpguard.mail.message import Defect, ForwardKind, Message, Protection, Sensitivity, Unread, Voice
from smtpguard.mail.parsing import parse_message

TNEF = bytes.fromhex("789f3e22") + b"\0" * 400
SEALED = bytes.fromhex("308006092a864886f70d010703a080") + b"x" * 400
COMPRESSED = bytes.fromhex("3080060b2a864886f70d0109100109a080") + b"x" * 400


def read(header: str, body: str = "Hello.\r\n") -> Message:
    return parse_message(f"{header}\r\n\r\n{body}".encode())


def with_file(type_: str, octets: bytes, subject: str = "Fwd: x", name: str = "") -> Message:
    shown = f'; name="{name}"' if name else ""
    return read(
        f"Subject: {subject}\r\nContent-Type: multipart/mixed; boundary=b",
        f"--b\r\n\r\nSee it.\r\n--b\r\nContent-Type: {type_}{shown}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{base64.encodebytes(octets).decode()}\r\n--b--\r\n",
    )


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        ("Personal", Sensitivity.PERSONAL), ("private", Sensitivity.PRIVATE), (" PRIVATE ", Sensitivity.PRIVATE),
        ("Company-Confidential", Sensitivity.CONFIDENTIAL), ("Normal", None), ("", None), ("private eye", None),
    ],
)  # fmt: skip
def test_sensitivity_is_the_authors_wish(value: str, wish: Sensitivity | None) -> None:
    assert read(f"Sensitivity: {value}").sensitivity is wish
    attached = read("Content-Type: message/rfc822", f"From: c@example.net\r\nSensitivity: {value}\r\n\r\nWords.\r\n")
    assert attached.sensitivity is None
    assert attached.passages[0].sensitivity is wish


class TestProtection:
    def test_pgp_mime(self) -> None:
        parts = "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b--\r\n"
        assert read("Content-Type: multipart/encrypted; boundary=b", parts).protection is Protection.ENCRYPTED
        signed = "--b\r\n\r\nWords.\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
        message = read("Content-Type: multipart/signed; boundary=b", signed)
        assert (message.protection, message.own_text) == (Protection.SIGNED, "Words.")

    def test_below_the_footer_of_a_list_manager(self) -> None:
        inner = "Content-Type: multipart/encrypted; boundary=i\r\n\r\n--i\r\n\r\nVersion: 1\r\n--i--\r\n"
        parts = f"--b\r\n{inner}--b\r\n\r\nA list.\r\n--b--\r\n"
        assert read("Content-Type: multipart/mixed; boundary=b", parts).protection is Protection.ENCRYPTED

    @pytest.mark.parametrize(
        ("words", "how"),
        [
            ("-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n", Protection.ENCRYPTED),
            ("\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nWords.\r\n", Protection.SIGNED),
            ("My key:\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n", None),
            ("> -----BEGIN PGP MESSAGE-----\r\n", None),
        ],
    )
    def test_pgp_in_the_text(self, words: str, how: Protection | None) -> None:
        assert read("Subject: x", words).protection is how

    def test_smime_that_is_encrypted(self) -> None:
        coded = base64.encodebytes(SEALED).decode()
        head = "Content-Transfer-Encoding: base64\r\nContent-Type: application/pkcs7-mime; name=smime.p7m"
        message = read(head, coded)
        assert message.protection is Protection.ENCRYPTED
        assert message.passages == ()
        assert with_file("application/octet-stream", SEALED, name="smime.p7m").protection is Protection.ENCRYPTED

    @pytest.mark.parametrize("size", [10, 100_000])
    def test_what_is_inside_an_opaque_signature_is_read(self, size: int) -> None:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Anna")])
        now = datetime(2026, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now.replace(year=2036))
        entity = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{'Words. ' * size}Grüße\r\n".encode()
        signer = pkcs7.PKCS7SignatureBuilder().set_data(entity).add_signer(builder.sign(key, SHA256()), key, SHA256())
        octets = signer.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])
        message = read(
            "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64",
            base64.encodebytes(octets).decode(),
        )
        assert message.protection is Protection.SIGNED
        assert message.own_text.endswith("Grüße")
        assert message.own_text.count("Words.") == size

    def test_a_signed_content_in_pieces_of_open_length_is_read(self) -> None:
        """As OpenSSL writes it (BER)."""
        pieces = b"\x04\x19Content-Type: text/plain\r" + b"\x04\x03\n\r\n" + b"\x04\x06Words."
        content = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80" + pieces + b"\0\0" * 3
        signed = (
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x80\0\0" + content
        )
        assert with_file("application/pkcs7-mime", signed).own_text == "See it.\nWords."

    def test_smime_that_cannot_be_read_is_a_defect(self) -> None:
        message = with_file("application/pkcs7-mime", b"no such thing")
        assert message.defects == (Defect.CMS,)
        assert message.protection is None


class TestUnread:
    @pytest.mark.parametrize(
        ("type_", "name", "octets", "unread"),
        [
            ("application/ms-tnef", "", TNEF, Unread.TNEF),
            ("application/octet-stream", "winmail.dat", b"x", Unread.TNEF),
            ("application/octet-stream", "x.bin", TNEF, Unread.TNEF),
            ("application/vnd.ms-outlook", "", b"x", Unread.OUTLOOK),
            ("application/octet-stream", "Letter.MSG", b"x", Unread.OUTLOOK),
            ("application/pkcs7-mime", "smime.p7z", COMPRESSED, Unread.COMPRESSED),
            ("application/x-7z-compressed", "", bytes.fromhex("377abcaf271c") + b"x\x06\xf1\x07\x01", Unread.LOCKED),
            ("application/vnd.rar", "", b"Rar!\x1a\x07\x01\x00crc4\x05\x04\0\0\0\0", Unread.LOCKED),
            ("application/vnd.rar", "", b"Rar!\x1a\x07\x00xxs\x80\0\x0d\0", Unread.LOCKED),
            (
                "application/vnd.rar",
                "",
                b"Rar!\x1a\x07\x00xxs\0\0\x0d\0" + b"\0" * 6 + b"xxt\x04\x80\0\0",
                Unread.LOCKED,
            ),
        ],
    )
    def test_what_cannot_be_looked_into_is_said(self, type_: str, name: str, octets: bytes, unread: Unread) -> None:
        message = with_file(type_, octets, name=name)
        assert message.unread == {unread}
        assert message.says_forward

    @pytest.mark.parametrize("type_", ["message/partial", "message/external-body"])
    def test_mails_that_are_elsewhere(self, type_: str) -> None:
        assert len(read(f"Subject: Fwd: x\r\nContent-Type: {type_}; id=a", "").unread) == 1

    @pytest.mark.parametrize("locked", [False, True])
    @pytest.mark.parametrize("size", [100, 400_000])
    def test_a_zip_file_is_locked_where_a_file_in_it_is(self, locked: bool, size: int) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("first.bin", b"y" * size)
            archive.writestr("letter.eml", b"x")
        octets = bytearray(file.getvalue())
        if locked:  # the standard library cannot write these: the flag of the last entry of the directory
            octets[octets.rfind(b"PK\x01\x02") + 8] |= 1
        assert with_file("application/zip", bytes(octets)).unread == ({Unread.LOCKED} if locked else frozenset())

    @pytest.mark.parametrize("octets", [b"", b"%PDF-1.7", b"Rar!", b"PK\x03\x04", b"7z", b"Rar!\x1a\x07\x01\x00"])
    def test_other_files_are_no_reason(self, octets: bytes) -> None:
        assert with_file("application/octet-stream", octets, name="plan.docx").unread == frozenset()

    def test_an_attached_mail_that_is_encrypted(self) -> None:
        inner = "Content-Type: multipart/encrypted; boundary=i\r\n\r\n--i\r\n\r\nVersion: 1\r\n--i--\r\n"
        message = read("Content-Type: message/rfc822", inner)
        assert (message.protection, message.unread) == (None, {Unread.ENCRYPTED})


class TestCalendars:
    def test_an_invitation_says_its_method_and_its_words(self) -> None:
        lines = [
            "BEGIN:VCALENDAR",
            "METHOD:request",
            "BEGIN:VEVENT",
            'SUMMARY;LANGUAGE=en;X="a:b":Meeting on Friday\\, 6 pm',
            "DESCRIPTION:First line\\nsecond",
            "  line\\; and a \\\\ n",
            "ATTENDEE:mailto:ben@example.org",
            "END:VEVENT",
            "END:VCALENDAR",
        ]
        message = read("Content-Type: text/calendar; charset=utf-8", "\r\n".join(lines))
        assert message.calendar_methods == {"REQUEST"}
        assert message.own_text == "Meeting on Friday, 6 pm\n\nFirst line\nsecond line; and a \\ n"

    @pytest.mark.parametrize(
        "type_", ["application/ics", "text/calendar; name=x.ics", "application/octet-stream; name=x.ICS"]
    )
    def test_a_calendar_file_is_read_too(self, type_: str) -> None:
        text = "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nCOMMENT:Off\r\nEND:VCALENDAR\r\n"
        message = read(f"Content-Type: {type_}", text)
        assert (message.calendar_methods, message.own_text) == ({"CANCEL"}, "Off")

    def test_words_that_the_mail_says_anyhow_count_once(self) -> None:
        parts = (
            "--b\r\n\r\nPlease come to the meeting.\r\nOn Friday.\r\n"
            "--b\r\nContent-Type: text/html\r\n\r\n<p>Please\r\n"
            "--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n"
            "DESCRIPTION:Please come to the\\nmeeting.\r\n--b--\r\n"
        )
        message = read("Content-Type: multipart/alternative; boundary=b", parts)
        assert message.own_text.split() == ["Please", "come", "to", "the", "meeting.", "On", "Friday."]

    def test_html_beside_an_invitation_is_still_read(self) -> None:
        parts = (
            "--b\r\nContent-Type: text/html\r\n\r\n<p>Other words.\r\n--b\r\nContent-Type: text/calendar\r\n\r\n"
            "BEGIN:VCALENDAR\r\nSUMMARY:Meeting\r\n--b--\r\n"
        )
        message = read("Content-Type: multipart/alternative; boundary=b", parts)
        assert message.own_text.split() == ["Other", "words.", "Meeting"]

    def test_a_text_that_is_no_calendar_is_read_as_it_is(self) -> None:
        message = read("Content-Type: text/calendar", "Between us.")
        assert (message.calendar_methods, message.own_text) == (frozenset(), "Between us.")


class TestSaysForward:
    @pytest.mark.parametrize(
        ("subject", "body", "says"),
        [
            ("Fwd: x", "Words.", True), ("WG: x", "Words.", True), ("x (fwd)", "Words.", True), ("x", "Words.", False),
            ("Re: x", "Words.", False), ("转发：x", "Words.", True), ("转发: x", "Words.", True),
            ("VS: x", "Words.", True),
            ("x", "Begin forwarded message:\r\n\r\nFrom: c@example.net\r\n\r\nWords.", True),
        ],
    )  # fmt: skip
    def test_by_subject_or_banner(self, subject: str, body: str, says: bool) -> None:
        assert read(f"Subject: {subject}", body).says_forward is says

    def test_a_finnish_answer_does_not(self) -> None:
        assert not read("Subject: VS: x\r\nIn-Reply-To: <a@example.org>").says_forward

    def test_an_attached_mail_does(self) -> None:
        assert read("Subject: x\r\nContent-Type: message/rfc822", "From: c@example.net\r\n\r\nWords.").says_forward


def test_a_conversation_is_what_its_mails_share() -> None:
    first = base64.b64encode(bytes(range(22))).decode()
    later = base64.b64encode(bytes(range(22)) + b"\x99" * 10).decode()
    one, other = (read(f"Thread-Index: {each}").conversation for each in (first, later))
    assert one == other == bytes(range(22)).hex()
    for each in ("", "AAAA", "no base64!", "=" * 40):
        assert read(f"Thread-Index: {each}").conversation is None


def test_defects_tell_bounds_from_bad_mime() -> None:
    assert read("Content-Type: text/plain; charset=x-unknown").malformed
    assert not read("Content-Type: text/plain; charset=x-unknown").cut_short
    deep = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(25))
    assert parse_message(deep.encode()).cut_short
    good = read("Subject: x")
    assert (good.malformed, good.cut_short) == (False, False)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("x-sjis", "cp932"), ("windows-949", "cp949"), ("ISO-8859-8-I", "iso8859_8"), ("windows-874", "cp874"),
        ("x-gbk", "gbk"), ("koi8-u", "koi8_u"), ("iso-2022-jp", "iso2022_jp"), ("gb18030", "gb18030"),
        ("windows-1257", "cp1257"), ("utf-7", "utf_7"), ("macintosh", "mac_roman"), ("utf-16le", "utf_16_le"),
    ],
)  # fmt: skip
def test_charsets_by_the_names_of_mail_programs(charset: str, codec: str) -> None:
    words = {"cp932": "日本", "iso2022_jp": "日本", "cp949": "한국", "iso8859_8": "שלום", "cp874": "ไทย", "gbk": "中文"}
    text = words.get(codec, {"koi8_u": "їжак", "gb18030": "中文", "cp1257": "ąčę"}.get(codec, "Grüße"))
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    message = parse_message(head.encode() + base64.encodebytes(text.encode(codec)))
    assert (message.own_text, message.defects) == (text, ())


def test_a_page_may_name_its_own_charset() -> None:
    page = '<html><head><meta http-equiv="Content-Type" content="text/html; charset=koi8-r"></head>Привет'
    assert parse_message(b"Content-Type: text/html\r\n\r\n" + page.encode("koi8-r")).own_text == "Привет"


def test_flowed_text_is_put_together_as_its_writer_typed_it() -> None:
    body = "This is one \r\nline.\r\n>> quoted \r\n>> deep\r\n> less\r\n-- \r\nAnna\r\n"
    texts = [(each.voice, each.text) for each in read("Content-Type: text/plain; format=flowed", body).passages]
    assert texts[0] == (Voice.OWN, "This is one line.")
    assert texts[1] == (Voice.QUOTED, "quoted deep\nless")
    assert texts[-1] == (Voice.SIGNATURE, "-- \nAnna")
    joined = read("Content-Type: text/plain; format=flowed; delsp=yes", "Bindest \r\nrich\r\n")
    assert joined.own_text == "Bindestrich"


def test_a_forward_within_an_attached_mail_is_a_passage_of_its_own() -> None:
    inner = (
        "From: b@example.org\r\nSubject: Fwd: x\r\n\r\nLook.\r\n\r\n---------- Forwarded message ---------\r\n"
        "From: Carl <c@example.net>\r\nTo: b@example.org\r\nSubject: x\r\n\r\nBetween us.\r\n"
    )
    letter, carried = read("Content-Type: message/rfc822", inner).passages
    assert (letter.kind, str(letter.author), letter.text) == (ForwardKind.ATTACHED, "b@example.org", "Look.")
    assert (carried.kind, str(carried.author), carried.text) == (ForwardKind.ATTACHED, "c@example.net", "Between us.")
