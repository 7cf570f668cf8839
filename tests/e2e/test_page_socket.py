"""The page behind a socket of the file system: nginx may use it, and nobody else on the machine."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.guard import START, Guard
from tests.e2e.scene import Scene
from tests.e2e.stack import Stack
from tests.e2e.web_server import USER, web_server
from tests.e2e.writing import new_subject
from tests.ports import free_port, wait_until

pytestmark = pytest.mark.e2e

NOT_CONNECTED = 7  # curl's exit code


def asked(path: Path, user: str) -> subprocess.CompletedProcess[str]:
    """What a user of this machine gets at the socket."""
    command = ["curl", "--silent", "--max-time", "20", "--unix-socket", str(path), "http://page.invalid/healthz"]
    return subprocess.run(
        command, user=user, group=user if user == USER else "nogroup", extra_groups=[], text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_page_behind_a_socket_is_nginxs_alone(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    folder = stack.folder / "page"
    folder.mkdir()
    # As deploy/nginx/README.md has it. The group is inherited by the socket.
    shutil.chown(folder, group=USER)
    folder.chmod(0o2750)
    page = folder / "web.sock"
    with web_server(stack, port, [f"unix:{page}"]) as nginx:
        changes = {"public_url": nginx.url, "web": {"listen": f"unix:{page}"}}
        with Guard(stack, tmp_path, changes=changes) as guard:
            wait_until("the socket is there", page.is_socket, START)
            scene, subject = Scene(stack, guard), new_subject()
            notice = scene.hold(subject, "berlin", "brandenburg")
            code = str(notice.message["Reply-To"]).partition("+")[2].partition("@")[0]
            trusted = ssl.create_default_context(cafile=str(stack.ca_file))
            connection = http.client.HTTPSConnection("localhost", port, context=trusted, timeout=60)
            fields = {"Origin": nginx.url, "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/show", urlencode({"code": code}), fields)
            view = connection.getresponse()

            assert view.status == 200
            assert subject in view.read().decode()
            connection.close()
            assert page.stat().st_mode & 0o777 == 0o660
            assert asked(page, USER).stdout == "ok\n"
            assert asked(page, "nobody").returncode == NOT_CONNECTED
    assert not page.exists()
