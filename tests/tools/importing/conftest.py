"""A server that answers as Mailman's, and the command that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.tools.importing.rest_server import PASSWORD, Lists, as_mailman, web_server
from tests.tools.site import run

Import = Callable[..., Result]


@pytest.fixture
def mailman() -> Lists:
    """What the server keeps: nothing yet."""
    return Lists()


@pytest.fixture
def run_import(mailman: Lists, site: Path) -> Iterator[Import]:
    """`smtpguard import mailman` for the site of four lists, with further options."""
    password = site.parent.parent / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    with web_server(as_mailman(mailman)) as url:
        yield lambda *more: run(
            "import", "mailman", f"{url}/3.1", "--password-file", password, "--config", site, *more
        )  # fmt: skip
