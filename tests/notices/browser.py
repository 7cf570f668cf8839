"""Debian's chromium without a window, as a test drives it, and the checker of accessibility that runs in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

# Rules of WCAG 2.2, levels A and AA, and what the checker's makers think good besides.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser of its own; the test is left out where there is none, or fails if SMTPGUARD_E2E=required."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        reason = "needs chromium and chromedriver (make e2e-deps)"
        if os.environ.get("SMTPGUARD_E2E") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    options = Options()
    options.binary_location = program
    for each in _ARGUMENTS:
        options.add_argument(each)
    browser = Chrome(service=Service(driver), options=options)
    try:
        yield browser
    finally:
        browser.quit()


def as_screen(browser: Chrome, width: int, height: int, scheme: str) -> None:
    """Show pages as on a screen of this size, `scheme` light or dark."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def complaints(browser: Chrome) -> list[str]:
    """What axe-core has against the page that is shown."""
    browser.execute_script(_checker())
    run = "const done = arguments[1]; axe.run({runOnly: arguments[0]}).then(done)"
    result: Mapping[str, Any] = browser.execute_async_script(run, RULES)
    assert result["passes"], "the checker has looked at nothing"
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html']}" for each in result["violations"]]


@cache
def _checker() -> str:
    found = [each for each in files("axe_core_python").iterdir() if each.name == "axe.min.js"]
    return found[0].read_text("utf-8")
