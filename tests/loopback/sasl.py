"""SASL mechanisms for tests, computed for real on either side: CRAM-MD5, SCRAM, XOAUTH2, OAUTHBEARER.

Both sides are generators of messages without base64. A server's side yields challenges, is sent responses, and returns
the login, None if the password is wrong; it raises ValueError for what it cannot read. A client's side is started with
`next`, is sent challenges and yields responses.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping

Server = Generator[bytes, bytes, str | None]
Client = Generator[bytes, bytes, None]

CRAM_CHALLENGE = b"<1896.697170952@mail.example.test>"
FAILURE = b'{"status":"invalid_token","schemes":"bearer"}'
SCRAM_HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}
NONCE, SALT, ITERATIONS = "3rfcNHYJY1ZVvWVs7j", b"salt of a test", 4096


def cram_md5_server(users: Mapping[str, str]) -> Server:
    response = (yield CRAM_CHALLENGE).decode()
    name, _, digest = response.rpartition(" ")
    right = hmac.new(users.get(name, "").encode(), CRAM_CHALLENGE, "md5").hexdigest()
    return name if name in users and hmac.compare_digest(right, digest) else None


def cram_md5_client(login: str, password: str, authzid: str = "") -> Client:
    challenge = yield b""
    yield f"{login} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode()


def scram_keys(digest: str, password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes, bytes]:
    """ClientKey, StoredKey, ServerKey (RFC 5802, 3)."""
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", digest)
    return client, hashlib.new(digest, client).digest(), hmac.digest(salted, b"Server Key", digest)


def scram_server(mechanism: str, users: Mapping[str, str]) -> Server:
    digest = SCRAM_HASHES[mechanism]
    flag, authzid, bare = (yield b"").decode().split(",", 2)
    if flag not in ("n", "y"):
        raise ValueError("channel binding")
    attributes = dict(each.split("=", 1) for each in bare.split(","))
    name = _unescaped(attributes["n"])
    nonce = attributes["r"] + "server"
    first = f"r={nonce},s={b64encode(SALT).decode()},i={ITERATIONS}"
    without, _, proof = (yield first.encode()).decode().rpartition(",p=")
    binding = b64encode(f"{flag},{authzid},".encode()).decode()
    if without != f"c={binding},r={nonce}":
        raise ValueError("not a client-final-message")
    _, stored, server_key = scram_keys(digest, users.get(name, ""), SALT, ITERATIONS)
    words = f"{bare},{first},{without}".encode()
    key = _xor(b64decode(proof, validate=True), hmac.digest(stored, words, digest))
    if name not in users or hashlib.new(digest, key).digest() != stored:
        return None
    if (yield b"v=" + b64encode(hmac.digest(server_key, words, digest))):
        raise ValueError("more than nothing")
    return _unescaped(authzid[2:]) if authzid else name


def scram_client(mechanism: str, login: str, password: str, authzid: str = "", flag: str = "n") -> Client:
    digest = SCRAM_HASHES[mechanism]
    header = f"{flag},{'a=' + _escaped(authzid) if authzid else ''},"
    bare = f"n={_escaped(login)},r={NONCE}"
    yield b""
    first = (yield f"{header}{bare}".encode()).decode()
    attributes = dict(each.split("=", 1) for each in first.split(","))
    client, stored, server_key = scram_keys(digest, password, b64decode(attributes["s"]), int(attributes["i"]))
    without = f"c={b64encode(header.encode()).decode()},r={attributes['r']}"
    words = f"{bare},{first},{without}".encode()
    proof = b64encode(_xor(client, hmac.digest(stored, words, digest)))
    last = yield without.encode() + b",p=" + proof
    assert last == b"v=" + b64encode(hmac.digest(server_key, words, digest)), "this is not the server that I know"
    yield b""


def xoauth2_server(users: Mapping[str, str]) -> Server:
    user, auth, *rest = (yield b"").decode().split("\1")
    if not user.startswith("user=") or not auth.startswith("auth=Bearer ") or rest != ["", ""]:
        raise ValueError("not XOAUTH2")
    return (yield from _token(users, user[5:], auth[12:]))


def xoauth2_client(login: str, password: str, authzid: str = "") -> Client:
    yield b""
    yield f"user={login}\1auth=Bearer {password}\1\1".encode()
    yield b""


def oauthbearer_server(users: Mapping[str, str]) -> Server:
    header, *pairs = (yield b"").decode().split("\1")
    authzid = header.split(",")[1]
    values = dict(each.split("=", 1) for each in pairs if each)
    if not authzid.startswith("a=") or not values["auth"].startswith("Bearer "):
        raise ValueError("not OAUTHBEARER")
    return (yield from _token(users, _unescaped(authzid[2:]), values["auth"][7:]))


def oauthbearer_client(login: str, password: str, authzid: str = "") -> Client:
    yield b""
    yield f"n,a={_escaped(login)},\1host=mail.example.test\1port=587\1auth=Bearer {password}\1\1".encode()
    yield b"\1"


SERVERS: dict[str, Callable[[Mapping[str, str]], Server]] = {
    "CRAM-MD5": cram_md5_server,
    "SCRAM-SHA-1": lambda users: scram_server("SCRAM-SHA-1", users),
    "SCRAM-SHA-256": lambda users: scram_server("SCRAM-SHA-256", users),
    "XOAUTH2": xoauth2_server,
    "OAUTHBEARER": oauthbearer_server,
}
CLIENTS: dict[str, Callable[[str, str, str], Client]] = {
    "CRAM-MD5": cram_md5_client,
    "SCRAM-SHA-1": lambda *of: scram_client("SCRAM-SHA-1", *of),
    "SCRAM-SHA-256": lambda *of: scram_client("SCRAM-SHA-256", *of),
    "XOAUTH2": xoauth2_client,
    "OAUTHBEARER": oauthbearer_client,
}


def _token(users: Mapping[str, str], name: str, token: str) -> Generator[bytes, bytes, str | None]:
    if users.get(name) == token:
        return name
    if (yield FAILURE) not in (b"", b"\1"):
        raise ValueError("not what answers a failure")
    return None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _escaped(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescaped(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")
