"""What the tests of deploy/container and deploy/kubernetes share: settings laid out as a container sees them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from smtpguard.config.loading import load
from smtpguard.config.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"


def mounted(folder: Path, files: Mapping[str, str], generation: str = "1") -> None:
    """Put `files` into `folder` as the kubelet puts a ConfigMap or a Secret: links to ..data, a link to a folder that
    is replaced as a whole. Called again, with another `generation`, it replaces them.
    """
    fresh = folder / f"..{generation}"
    fresh.mkdir(parents=True)
    for name, text in files.items():
        (fresh / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    swap = folder / "..data_tmp"
    swap.symlink_to(fresh.name)
    swap.replace(folder / "..data")


def accepted(site: Path) -> Settings:
    """The settings of the file `site`, which `smtpguard check` finds nothing wrong with."""
    loaded = load(site)
    assert not loaded.problems, [each.text for each in loaded.problems]
    assert loaded.settings is not None
    assert not [*loaded.settings.missing_to_serve(), *loaded.settings.missing_to_hold()]
    return loaded.settings
