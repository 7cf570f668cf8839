"""nginx in front of the page, by the very file that deploy/nginx ships: TLS, and one node or several behind it.

Only what names a machine is replaced: addresses, the name, the certificate.
"""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.stack import Stack
from tests.e2e.stack.ports import HOST, answers, wait_until
from tests.e2e.stack.programs import NGINX

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx" / "smtpguard.conf"
START = 20.0  # seconds; 0.1 was measured
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


class WebServer:
    """A running nginx; `url` is where browsers find the page."""

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
        """The lines of its access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def written(self) -> bytes:
        """All that it has written: logs, and forms and answers that it had no room for in memory."""
        return b"".join(each.read_bytes() for each in self.folder.rglob("*") if each.is_file())


@contextmanager
def web_server(stack: Stack, port: int, pages: Sequence[str]) -> Iterator[WebServer]:
    """nginx at `port`, in front of `pages`: host and port, or unix:PATH. Raises TimeoutError with its log."""
    folder = stack.folder / f"nginx-{port}"
    folder.mkdir()
    server = SHIPPED.read_text()
    for shipped, ours in (
        ("server 127.0.0.1:8025;", " ".join(f"server {each};" for each in pages)),
        ("listen 443 ssl;", f"listen {HOST}:{port} ssl;"),
        ("server_name mailcheck.example.org;", "server_name localhost;"),
        ("/etc/ssl/mailcheck.example.org.pem", str(stack.certificate)),
        ("/etc/ssl/private/mailcheck.example.org.key", str(stack.key)),
    ):
        assert shipped in server, f"the shipped file has no {shipped!r}"
        server = server.replace(shipped, ours)
    temporary = "\n".join(f"    {each}_temp_path {folder}/{each};" for each in TEMPORARY)
    settings = folder / "nginx.conf"
    settings.write_text(AROUND.format(user=USER, folder=folder, temporary=temporary, server=server))
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(NGINX), "-p", str(folder), "-c", str(settings), "-e", str(folder / "error.log")],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    stack.keeper.child("nginx", process)
    try:
        wait_until("nginx answers", lambda: process.poll() is not None or answers(port), START)
        assert process.poll() is None, (folder / "said").read_text() + (folder / "error.log").read_text()
        yield WebServer(folder, port, stack)
    finally:
        process.terminate()
        process.wait(START)
