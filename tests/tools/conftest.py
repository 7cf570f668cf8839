"""A site for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.site import write_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The path of a site file with four lists beside it."""
    return write_site(tmp_path / "config")
