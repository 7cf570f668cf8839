"""What the guard reads from SASL messages: the one identity that the mail server reads, or nothing (T-40)."""

from __future__ import annotations

import base64
import hmac
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.listener.auth import READABLE, IdentityReader
from tests.loopback import sasl

DIGEST = "0123456789abcdef0123456789abcdef"
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\1"), min_size=1, max_size=40)
# What SASL messages are made of: fuzz of these finds more than plain noise.
PIECES = st.lists(
    st.sampled_from(
        [
            "n,",
            "y,",
            "p=tls-unique,",
            "a=",
            "n=",
            "r=",
            "m=",
            "c=",
            "biws",
            "=2C",
            "=3D",
            "=2c",
            "=",
            ",",
            "user=",
            "auth=",
            "host=",
            "anna",
            "admin",
            "x",
            "auth=Bearer x",
            "\0",
            "\1",
            " ",
            "\n",
            "\u00fc",
            DIGEST,
        ]
    ),
    max_size=14,
).map("".join)


FIRST = st.one_of(PIECES.map(str.encode), st.binary(max_size=80))


def read(mechanism: str, text: str | bytes) -> str | None:
    """The identity that the first response gives."""
    reader = IdentityReader(mechanism)
    octets = text.encode() if isinstance(text, str) else text
    assert reader.read(base64.b64encode(octets)) == (reader.identity is not None)
    return reader.identity


@pytest.mark.parametrize(
    ("mechanism", "text", "identity"),
    [
        # The examples of RFC 4616, RFC 2195, RFC 5802, RFC 7677 and RFC 7628.
        ("PLAIN", "Ursel\0Kurt\0xipj3plmq", "Ursel"),
        ("CRAM-MD5", "tim b913a602c7eda7a495b4e6e7334d3890", "tim"),
        ("SCRAM-SHA-1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "user"),
        ("SCRAM-SHA-256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "user"),
        ("OAUTHBEARER", "n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer vF9dft4q==\1\1",
         "user@example.com"),
        ("XOAUTH2", "user=someuser@example.com\1auth=Bearer ya29.vF9dft4q\1\1", "someuser@example.com"),
        ("CRAM-MD5", f"two  words {DIGEST}", "two  words"),
        ("SCRAM-SHA-256", "y,a=b=2Cc=3D2C,n=anna,r=x,z=more", "b,c=2C"),
        ("SCRAM-SHA-1", "n,,n=j\u00fcrgen,r=x", "j\u00fcrgen"),
        ("XOAUTH2", "user=a=b,c\1auth=bearer t\1\1", "a=b,c"),
        ("OAUTHBEARER", "y,a=b=2Cc,\1auth=BEARER t\1\1", "b,c"),
    ],
)  # fmt: skip
def test_the_identity_is_the_one_that_the_rfcs_say(mechanism: str, text: str, identity: str) -> None:
    assert read(mechanism, text) == identity


@pytest.mark.parametrize(
    ("mechanism", "text"),
    [
        ("CRAM-MD5", DIGEST),
        ("CRAM-MD5", f" {DIGEST}"),
        ("CRAM-MD5", f"anna {DIGEST}0"),
        ("CRAM-MD5", f"anna {DIGEST} "),
        ("CRAM-MD5", f"an\0na {DIGEST}"),
        ("CRAM-MD5", f"anna {DIGEST}\n"),
        ("SCRAM-SHA-256", "p=tls-unique,,n=anna,r=x"),
        ("SCRAM-SHA-256", "p=tls-exporter,a=anna,n=anna,r=x"),
        ("SCRAM-SHA-256", "p,,n=anna,r=x"),
        ("SCRAM-SHA-256", "N,,n=anna,r=x"),
        ("SCRAM-SHA-256", "n,,n=anna"),
        ("SCRAM-SHA-256", "n,,n=,r=x"),
        ("SCRAM-SHA-256", "n,a=,n=anna,r=x"),
        ("SCRAM-SHA-256", "n,b=ben,n=anna,r=x"),
        ("SCRAM-SHA-256", "n,,m=x,n=anna,r=x"),
        ("SCRAM-SHA-256", "n,,r=x,n=anna"),
        ("SCRAM-SHA-256", "n,,n=anna,r=x,n=admin"),
        ("SCRAM-SHA-256", "n,,n=anna,r=x,a=admin"),
        ("SCRAM-SHA-256", "n,,n=an=na,r=x"),
        ("SCRAM-SHA-256", "n,,n=an=2cna,r=x"),
        ("SCRAM-SHA-256", "n,,n=an\0na,r=x"),
        ("SCRAM-SHA-256", "n,,n=anna,r=x\n"),
        ("SCRAM-SHA-256", "c=biws,r=x,p=eA=="),
        ("XOAUTH2", "user=\1auth=Bearer t\1\1"),
        ("XOAUTH2", "user=anna\1auth=Bearer t\1"),
        ("XOAUTH2", "user=anna\1auth=Bearer t\1\1\1"),
        ("XOAUTH2", "user=anna\1user=admin\1auth=Bearer t\1\1"),
        ("XOAUTH2", "user=anna\1auth=Bearer t\1user=admin\1\1"),
        ("XOAUTH2", "auth=Bearer t\1user=anna\1\1"),
        ("XOAUTH2", "user=anna\1auth=Basic dDp0\1\1"),
        ("OAUTHBEARER", "n,,\1auth=Bearer t\1\1"),
        ("OAUTHBEARER", "p=x,a=anna,\1auth=Bearer t\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1host=x\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1auth=\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1auth=Basic dDp0\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1user=admin\1auth=Bearer t\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1auth=Bearer t\1AUTH=Bearer u\1\1"),
        ("OAUTHBEARER", "n,a=anna,\1auth=Bearer t\1"),
        ("OAUTHBEARER", "n,a=anna,a=admin,\1auth=Bearer t\1\1"),
        ("OAUTHBEARER", "n,a=an\1na,\1auth=Bearer t\1\1"),
    ],
)
def test_whatever_could_be_read_in_two_ways_is_nobody(mechanism: str, text: str) -> None:
    assert read(mechanism, text) is None


@pytest.mark.parametrize(
    "token",
    [b"YW5uYQ=", b"YW5uYQ", b"YW5uYQ===", b"YW5u=", b"YW5uYQ==YQ==", b"YW5u YW5u", b"YW5u\n", b"_-8=", b"=", b"==="],
)
def test_base64_is_taken_in_its_one_spelling_only(token: bytes) -> None:
    assert not IdentityReader("LOGIN").read(token)


def test_nothing_fits_after_the_last_step_of_a_mechanism() -> None:
    final = base64.b64encode(b"c=biws,r=xy,p=" + base64.b64encode(b"proof"))
    scram = base64.b64encode(b"n,,n=anna,r=x")
    steps = {
        "PLAIN": [base64.b64encode(b"\0anna\0x")],
        "LOGIN": [b"YW5uYQ==", b"anything"],
        "CRAM-MD5": [base64.b64encode(f"anna {DIGEST}".encode())],
        "SCRAM-SHA-1": [scram, final, b""],
        "SCRAM-SHA-256": [scram, final, b""],
        "XOAUTH2": [base64.b64encode(b"user=anna\1auth=Bearer t\1\1"), b"AQ=="],
        "OAUTHBEARER": [base64.b64encode(b"n,a=anna,\1auth=Bearer t\1\1"), b""],
    }
    assert steps.keys() == READABLE
    for mechanism, responses in steps.items():
        reader = IdentityReader(mechanism)
        assert [reader.read(each) for each in responses] == [True] * len(responses)
        assert not reader.read(b"")
        assert reader.identity == "anna"


@pytest.mark.parametrize(
    "later", ["n,,n=admin,r=x", "c=biws,r=x", "r=x,c=biws,p=eA==", "c=biws,r=x,p=eA==,n=admin", "\xff"]
)
def test_what_follows_a_first_scram_message_is_a_final_one_and_nothing_else(later: str) -> None:
    reader = IdentityReader("SCRAM-SHA-256")
    assert reader.read(base64.b64encode(b"n,,n=anna,r=x"))

    assert not reader.read(base64.b64encode(later.encode("latin-1")))
    assert reader.identity == "anna"


def test_where_the_server_speaks_first_there_is_no_initial_response() -> None:
    assert not IdentityReader("CRAM-MD5").read_initial(base64.b64encode(f"anna {DIGEST}".encode()))


@given(login=NAMES, authzid=st.one_of(st.just(""), NAMES))
@pytest.mark.parametrize("mechanism", list(sasl.CLIENTS))
def test_every_name_is_read_as_the_mail_server_reads_it(mechanism: str, login: str, authzid: str) -> None:
    """A client's side, the guard's reader and a server's side, each written on its own."""
    client, server = sasl.CLIENTS[mechanism](login, "secret", authzid), sasl.SERVERS[mechanism]({login: "secret"})
    reader = IdentityReader(mechanism)
    next(client)
    challenge = next(server)
    try:
        while True:
            response = client.send(challenge)
            assert reader.read(base64.b64encode(response))
            challenge = server.send(response)
    except StopIteration as end:
        understood = end.value
    assert understood == reader.identity


@given(
    first=st.one_of(PIECES.map(str.encode), st.binary(max_size=80)), later=st.lists(st.binary(max_size=40), max_size=5)
)
@pytest.mark.parametrize("mechanism", sorted(READABLE))
def test_fuzz_no_message_raises_and_none_changes_an_identity_once_read(
    mechanism: str, first: bytes, later: list[bytes]
) -> None:
    for wire in (first, base64.b64encode(first)):
        reader = IdentityReader(mechanism)
        assert reader.read(wire) == (reader.identity is not None)
        identity = reader.identity
        assert identity is None or (identity and "\0" not in identity)
        if identity is not None:
            for each in later:
                reader.read(each)
                assert reader.identity == identity


@given(PIECES)
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5"])
def test_fuzz_an_identity_comes_from_well_formed_messages_only(mechanism: str, text: str) -> None:
    """Whatever is taken, a plain reader by the RFC's structure takes, too, and reads the same."""
    identity = read(mechanism, text)
    if identity is None:
        return
    if mechanism == "CRAM-MD5":
        assert text == f"{identity} {text[-32:]}"
        return
    if mechanism == "XOAUTH2":
        assert text.startswith(f"user={identity}\1auth=Bearer ")
        assert text.endswith("\1\1")
        assert text.count("\1") == 3
        return
    escaped = identity.replace("=", "=3D").replace(",", "=2C")
    flag, authzid, *rest = text.split(",")
    assert flag in ("n", "y")
    assert (authzid or rest[0].replace("n=", "a=", 1)) == f"a={escaped}"


def test_the_servers_side_of_these_tests_computes_what_the_rfcs_say() -> None:
    # RFC 7677, 3 and RFC 2195, 2.
    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    client, stored, server = sasl.scram_keys("sha256", "pencil", salt, 4096)
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    words = (f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}").encode()
    proof = bytes(a ^ b for a, b in zip(client, hmac.digest(stored, words, "sha256"), strict=True))
    assert base64.b64encode(proof) == b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    assert base64.b64encode(hmac.digest(server, words, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    one = sasl.cram_md5_client("tim", "tanstaaftanstaaf")
    next(one)
    assert one.send(challenge) == b"tim b913a602c7eda7a495b4e6e7334d3890"
