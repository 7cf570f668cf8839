"""nginx and Caddy in front of the page, by the very files that deploy/ ships: TLS, one node behind it or several."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.deployed import adapted
from tests.e2e.stack import Stack
from tests.e2e.stack.programs import CADDY, NGINX
from tests.ports import HOST, answers, wait_until

START = 60.0  # seconds; 0.1 was measured
PAGE = "127.0.0.1:8025"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# Whom Debian's own nginx serves as.
USER = "www-data"

# Everything outside the shipped file; the log is the one that Debian's own nginx writes.
AROUND = """\
daemon off;
user {user};
error_log {folder}/error.log info;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log combined;
{temporary}
{server}
}}
"""


# The same for Caddy: no port for its administration, nothing on port 80, and all of its state in a folder of ours.
CADDY_AROUND = """\
{{
	admin off
	auto_https disable_redirects
	default_bind {host}
	storage file_system {folder}/storage
}}

{server}
"""


class WebServer:
    """A running web server; `url` is where browsers find the page."""

    def __init__(self, folder: Path, port: int, stack: Stack) -> None:
        self.folder = folder
        self.url = f"https://localhost:{port}"
        self._certificate = stack.certificate

    @property
    def fingerprint(self) -> str:
        """Of the certificate's key, as browsers want it named."""
        key = x509.load_pem_x509_certificate(self._certificate.read_bytes()).public_key()
        return b64encode(sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()).decode()

    def requests(self) -> list[str]:
        """The lines of nginx's access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def written(self) -> bytes:
        """All that it has written: logs, and forms and answers that it had no room for in memory."""
        return b"".join(each.read_bytes() for each in self.folder.rglob("*") if each.is_file())


@contextmanager
def web_server(stack: Stack, port: int, pages: Sequence[str]) -> Iterator[WebServer]:
    """nginx at `port`, in front of `pages`: host and port, or unix:PATH. Raises TimeoutError."""
    site = _site(stack) | {
        "mailcheck.example.org": "localhost",
        "listen 443": f"listen {HOST}:{port}",
        PAGE: "; server ".join(pages),
    }
    folder = stack.folder / f"nginx-{port}"
    folder.mkdir()
    temporary = "\n".join(f"    {each}_temp_path {folder}/{each};" for each in TEMPORARY)
    settings = folder / "nginx.conf"
    shipped = adapted("nginx/smtpguard.conf", site)
    settings.write_text(AROUND.format(user=USER, folder=folder, temporary=temporary, server=shipped))
    command = [str(NGINX), "-p", str(folder), "-c", str(settings), "-e", str(folder / "error.log")]
    with _running(stack, "nginx", folder, command, port) as server:
        yield server


@contextmanager
def caddy(stack: Stack, port: int, pages: Sequence[str]) -> Iterator[WebServer]:
    """The same by Caddy."""
    site = _site(stack) | {"mailcheck.example.org": f"localhost:{port}", PAGE: " ".join(pages)}
    folder = stack.folder / f"caddy-{port}"
    folder.mkdir()
    settings = folder / "Caddyfile"
    settings.write_text(CADDY_AROUND.format(host=HOST, folder=folder, server=adapted("caddy/Caddyfile", site)))
    command = [str(CADDY), "run", "--config", str(settings), "--adapter", "caddyfile"]
    with _running(stack, "Caddy", folder, command, port) as server:
        yield server


def _site(stack: Stack) -> dict[str, str]:
    return {
        "/etc/ssl/mailcheck.example.org.pem": str(stack.certificate),
        "/etc/ssl/private/mailcheck.example.org.key": str(stack.key),
    }


@contextmanager
def _running(stack: Stack, name: str, folder: Path, command: Sequence[str], port: int) -> Iterator[WebServer]:
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd=folder,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)},
        )  # fmt: skip
    stack.keeper.child(name, process)
    try:
        wait_until(f"{name} answers", lambda: process.poll() is not None or answers(port), START)
        words = b"".join(each.read_bytes() for each in (folder / "said", folder / "error.log") if each.exists())
        assert process.poll() is None, words.decode(errors="replace")
        yield WebServer(folder, port, stack)
    finally:
        process.terminate()
        process.wait(START)
