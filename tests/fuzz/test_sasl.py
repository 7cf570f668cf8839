"""SASL messages: what the guard reads from one, every mail server reads, or refuses (T-40)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import strategies as st

from smtpguard.listener.auth import READABLE, IdentityReader
from tests.fuzz.octets import heap, mutated
from tests.fuzz.running import SIDE, corpus, each_of, fuzz
from tests.fuzz.sasl_readers import READERS, messages
from tests.loopback import sasl

DIGEST = b"0123456789abcdef0123456789abcdef"
PIECES = [
    b"n,", b"y,", b"n,,", b"p=tls-unique,", b"a=", b"n=", b"r=", b"m=", b"c=", b"c=biws", b",p=QQ==", b"=2C", b"=3D",
    b"=2c", b"=", b",", b"user=", b"user=admin", b"auth=", b"auth=Bearer x", b"auth=bearer ", b"host=x", b"port=1",
    b"anna", b"admin", b"x", b"\0", b"\0", b"\1", b"\1\1", b" ", b"\t", b"\n", b"\r", b"\xc3\xbc", b"\xff", b"\xcc\x81",
    DIGEST, b" " + DIGEST, DIGEST.upper(), b"1",
]  # fmt: skip
SEEDS = corpus("sasl")
# What is done to base64 on its way: padding, blanks, other alphabets, an end in the middle.
TORN = [b"=", b"==", b"===", b" ", b"\t", b"-", b"_", b"*", b"+", b"/", b"QQ==", b"AA==", b"A", b"\xff", b"\0", b"!"]


def check_response(response: bytes) -> None:
    """One response as it stands on the wire, given to each mechanism."""
    for mechanism in READABLE:
        for initial in (False, True):
            reader = IdentityReader(mechanism)
            taken = reader.read_initial(response) if initial else reader.read(response)
            assert taken == (reader.identity is not None)
            if taken:
                assert reader.identity
                check_identity(mechanism, response, reader.identity)


def check_identity(mechanism: str, response: bytes, identity: str) -> None:
    meant = messages(response)
    assert len(meant) == 1, "readers of base64 differ"
    message = meant.pop()
    strict, *loose = (reader(message) for reader in READERS[mechanism])
    # With a name for whom to act, the guard needs no other one; a server that does refuses.
    needs_both = mechanism == "PLAIN" and strict is None and message.count(b"\0") == 2
    assert strict == identity or needs_both
    assert {each for each in loose if each is not None} <= {identity}


def check_later(responses: list[bytes]) -> None:
    """Whatever comes behind the first response, the identity stays, and so does a refusal's silence."""
    for mechanism in READABLE:
        reader = IdentityReader(mechanism)
        known: str | None = None
        for response in responses:
            reader.read(response)
            assert known in (None, reader.identity)
            known = reader.identity


def check_well_formed(name: str, other: str, secret: str) -> None:
    """What real clients send is taken, and gives the name that the real server reads."""
    password = secret.encode("ascii", "replace").decode().replace(" ", "-") or "x"
    said = {
        "PLAIN": f"{other}\0{name}\0{password}".encode(),
        "LOGIN": name.encode(),
        "CRAM-MD5": name.encode() + b" " + DIGEST,
    }
    for mechanism, client in sasl.CLIENTS.items():
        if mechanism != "CRAM-MD5":
            session = client(name, password, other)
            next(session)
            said[mechanism] = next(session) if mechanism not in sasl.SCRAM_HASHES else _scram_first(name, other)
    for mechanism, message in said.items():
        reader = IdentityReader(mechanism)
        assert reader.read(base64.b64encode(message)), mechanism
        acts_as = mechanism == "PLAIN" or mechanism in sasl.SCRAM_HASHES
        assert reader.identity == (other if acts_as and other else name)


def _scram_first(name: str, other: str) -> bytes:
    header = f"n,{'a=' + sasl._escaped(other) if other else ''},"
    return f"{header}n={sasl._escaped(name)},r=abc".encode()


@each_of("sasl")
def test_corpus(octets: bytes) -> None:
    """Each file is a message; it is tried in base64, and as it stands."""
    encoded = base64.b64encode(octets)
    for response in (octets, octets.strip(), encoded, encoded.rstrip(b"="), encoded + b"=", encoded + b"\0"):
        check_response(response)
        check_later([response, octets, encoded, b"", b"AQ=="])


@pytest.mark.slow
def test_fuzz_sasl_messages() -> None:
    fuzz(lambda message: check_response(base64.b64encode(message)), message=heap(PIECES) | mutated(SEEDS, PIECES))


@pytest.mark.slow
def test_fuzz_torn_base64_of_sasl_messages() -> None:
    wire = mutated([base64.b64encode(each) for each in SEEDS], TORN)
    fuzz(check_later, share=SIDE, responses=st.lists(wire | heap(TORN), min_size=1, max_size=4))
    fuzz(check_response, share=SIDE, response=wire)


@pytest.mark.slow
def test_fuzz_well_formed_sasl_messages_are_taken() -> None:
    names = st.text(st.characters(codec="utf-8", exclude_characters="\0\1"), min_size=1, max_size=30)
    secrets = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=20)
    fuzz(check_well_formed, share=SIDE, name=names, other=names | st.just(""), secret=secrets)
