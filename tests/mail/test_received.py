"""The login in the Received field of a front (T-41): its own field alone, and only as Postfix writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.mail.received import TOP_OCTETS_MAX, authenticated_sender, below_front

FRONT = "mail.example.test"
REST = b"From: Anna <anna@example.test>\r\nSubject: x\r\n\r\nwords\r\n"
# As Postfix 3.7 writes it, with everything that it can write.
POSTFIX = (
    b"Received: from laptop.example.test (unknown [192.0.2.7])\r\n"
    b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
    b"\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
    b'\t(Client CN "phone (old)", Issuer "Example CA" (verified OK))\r\n'
    b"\t(Authenticated sender: anna@example.test)\r\n"
    b"\tby mail.example.test (Postfix) with ESMTPSA id 4cXyZ1\r\n"
    b"\tfor <berlin@lists.example.test>; Sun, 22 Nov 2026 11:40:00 +0000 (UTC)\r\n"
)
OF_ANNA = (
    b"Received: from laptop (unknown [192.0.2.7])\r\n\t(Authenticated sender: anna@example.test)\r\n"
    b"\tby mail.example.test (Postfix) with ESMTPSA id 4c\r\n\tfor <b@example.test>; Sun, 22 Nov 2026\r\n"
)
OF_NOBODY = (
    b"Received: from laptop (unknown [192.0.2.7])\r\n"
    b"\tby mail.example.test (Postfix) with ESMTP id 4c\r\n\tfor <b@example.test>; Sun, 22 Nov 2026\r\n"
)


def login(*pieces: bytes, by: str = FRONT) -> str | None:
    return authenticated_sender(pieces, by)


@pytest.mark.parametrize(
    "content",
    [
        POSTFIX + REST,
        OF_ANNA + REST,
        OF_ANNA,  # an empty mail
        OF_ANNA + b"\r\n",
        b"Received-SPF: None (no policy) client-ip=192.0.2.7\r\nX-Front: (Authenticated sender: x)\r\n"
        + OF_ANNA
        + REST,
        OF_ANNA.replace(b"by mail.example.test", b"by Mail.EXAMPLE.test") + REST,
        OF_ANNA.replace(b"from laptop", b"from by") + REST,
        OF_ANNA.replace(b"from laptop", b"from b\xc3\xa0r") + REST,
        OF_ANNA + POSTFIX.replace(b"anna@", b"ben@") + REST,
        OF_ANNA.replace(b"\t(Auth", b'\t(Client CN "x"? (Authenticated sender: ben@example.test)")\r\n\t(Auth') + REST,
    ],
)
def test_the_login_is_what_the_front_has_written(content: bytes) -> None:
    assert login(content) == "anna@example.test"
    assert login(*(content[each : each + 1] for each in range(len(content)))) == "anna@example.test"
    assert login(content, by="MAIL.example.test") == "anna@example.test"


@pytest.mark.parametrize(
    "name", ["anna", "Anna Smith", "m?ller@example.test", "a.b+c@x", "anna@example.test,ben", "x" * 500]
)
def test_any_login_that_postfix_can_write_is_read(name: str) -> None:
    assert login(OF_ANNA.replace(b"anna@example.test", name.encode()) + REST) == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        REST,
        OF_NOBODY + REST,
        OF_NOBODY + OF_ANNA + REST,  # forged: the front did not write it
        OF_NOBODY.replace(b"\r\n\tby", b" by") + b"\t(Authenticated sender: anna@example.test)\r\n" + REST,
        b"\r\n" + OF_ANNA + REST,
        b"words\r\n" + OF_ANNA + REST,
        b"From anna Sun Nov 22\r\n" + OF_ANNA + REST,
        b" folded: before the first field\r\n" + OF_ANNA + REST,
        b"Received: x\r\n" + OF_ANNA + REST,
        b"Received : from a (b [c]) by other.test\r\n" + OF_ANNA + REST,
        OF_ANNA.replace(b"by mail.example.test", b"by other.example.test") + REST,
        OF_ANNA.replace(b"by mail.example.test", b"by mail.example.test.evil.test") + REST,
        OF_ANNA.replace(b"by mail.example.test", b"by (mail.example.test)") + REST,
        OF_ANNA.replace(b"\tby mail", b"\tvia mail") + REST,
        OF_ANNA.replace(b"from laptop", b"from") + REST,
        OF_ANNA.replace(b"from laptop", b"from two words") + REST,
        OF_ANNA.replace(b"from laptop", b"from x by mail.example.test") + REST,
        OF_ANNA.replace(b"from laptop", b'from "laptop"') + REST,
        OF_ANNA.replace(b"from laptop", b"from lap\\top") + REST,
        OF_ANNA.replace(b"from laptop", b"from lap)top") + REST,
        OF_ANNA.replace(b"(Authenticated sender: anna@example.test)", b"(Authenticated\r\n\tsender: anna)") + REST,
        OF_ANNA.replace(b"(Authenticated sender: ", b"(Authenticated sender:\r\n\t") + REST,
        OF_ANNA.replace(b"(Authenticated sender: ", b"(\r\n Authenticated sender: ") + REST,
        OF_ANNA.replace(b"(Authenticated sender: ", b"(authenticated sender: ") + REST,
        OF_ANNA.replace(b"(Authenticated sender: ", b"(Authenticated sender:") + REST,
        OF_ANNA.replace(b"(Authenticated sender: ", b"((Authenticated sender: ") + REST,
        OF_ANNA.replace(b"(Authenticated sender: anna@example.test)", b"((Authenticated sender: anna))") + REST,
        OF_ANNA.replace(b"(Authenticated sender: anna@example.test)", b"(x (Authenticated sender: anna))") + REST,
        OF_ANNA.replace(b"anna@example.test)", b"anna (x))") + REST,
        OF_ANNA.replace(b"anna@example.test)", b"anna\xc3\xa4)") + REST,
        OF_ANNA.replace(b"anna@example.test)", b" )") + REST,
        OF_ANNA.replace(b"anna@example.test)", b"anna \t)") + REST,
        OF_ANNA.replace(b"\tby", b"\t(Authenticated sender: ben@example.test)\r\n\tby") + REST,
        OF_ANNA.replace(b"\tby", b"\t(Authenticated sender: anna@example.test)\r\n\tby") + REST,
        OF_ANNA.replace(b"(Authenticated", b"Authenticated") + REST,
        OF_ANNA.replace(b"(Postfix)", b"(Authenticated sender: anna)").replace(
            b"\t(Authenticated sender: anna@", b"\t("
        )
        + REST,
        OF_ANNA[:60],
        b"X-Long: " + b"x" * TOP_OCTETS_MAX + b"\r\n" + OF_ANNA + REST,
        (b"X: y\r\n" * TOP_OCTETS_MAX) + OF_ANNA + REST,
    ],
)
def test_T_41_nothing_else_is_a_login(content: bytes) -> None:
    assert login(content) is None


def test_a_field_that_is_cut_by_the_bound_is_not_believed() -> None:
    # Where the field ends exactly at the bound, a continuation might follow.
    room = TOP_OCTETS_MAX - len(OF_ANNA) - len(b"X: \r\n")
    above = b"X: " + b"x" * room + b"\r\n"
    assert len(above + OF_ANNA) == TOP_OCTETS_MAX

    assert login(above + OF_ANNA + b"\tby other.test\r\n" + REST) is None
    assert login(above[:2] + above[3:] + OF_ANNA + REST) == "anna@example.test"


@given(st.binary(max_size=400))
def test_whatever_stands_below_the_front_s_own_field_changes_nothing(below: bytes) -> None:
    assert login(OF_NOBODY + b"X: y\r\n" + below) is None
    assert login(OF_ANNA + b"X: y\r\n" + below) == "anna@example.test"


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_no_name_a_client_gives_makes_another_login(name: str) -> None:
    # What Postfix leaves of it: none of its NEUTER_CHARACTERS (smtpd.c).
    left = "".join("?" if each in ' <>()\\";@' else each for each in name).encode("latin-1") or b"?"

    assert login(OF_NOBODY.replace(b"laptop", left) + REST) is None
    assert login(OF_ANNA.replace(b"laptop", left) + REST) == "anna@example.test"


@given(st.binary(max_size=300))
def test_nothing_makes_it_fail(octets: bytes) -> None:
    login(octets)
    login(b"Received: " + octets + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("content", "below"),
    [
        (POSTFIX + REST, REST),
        (b"X-Front: 1\r\n" + OF_NOBODY + OF_ANNA + REST, OF_ANNA + REST),
        (OF_ANNA, b""),
        (REST, REST),
        (b"", b""),
        (b"\r\n" + OF_ANNA, b"\r\n" + OF_ANNA),
        (b"..\r\n" + OF_ANNA, b"..\r\n" + OF_ANNA),
    ],
)
def test_what_a_client_typed_stands_below_the_front_s_own_field(content: bytes, below: bytes) -> None:
    assert below_front(content) == below
