"""Debian's Chromium without a window, driven through selenium."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from axe_core_python.selenium import Axe
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.stack.programs import CHROMEDRIVER, CHROMIUM

HEIGHT = 800
# A page is there in milliseconds; a machine with eight test runs on two cores needs longer.
PAGE_SECONDS = 60

_BROWSERS = ThreadPoolExecutor(4, "browser")
Result = TypeVar("Result")


async def in_browser(work: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
    """Call `work(driver, *arguments)` in a thread with a browser of its own; `named` as in `browser`."""

    def run() -> Result:
        with browser(**named) as driver:
            return work(driver, *arguments)

    return await asyncio.get_running_loop().run_in_executor(_BROWSERS, run)


@contextmanager
def browser(
    *, scripts: bool = True, width: int = 1100, dark: bool = False, language: str = "en", trusted: str = ""
) -> Iterator[Chrome]:
    """A browser with a profile of its own. `width` in pixels; `language` is what it sends as Accept-Language; `trusted`
    is the fingerprint of a certificate's key that it shall believe."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(each)
    if trusted:
        options.add_argument(f"--ignore-certificate-errors-spki-list={trusted}")
    preferences: dict[str, object] = {"intl.accept_languages": language}
    if not scripts:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    driver = Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        driver.set_page_load_timeout(PAGE_SECONDS)
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def words(driver: Chrome) -> str:
    """What the page shows, in one line."""
    return " ".join(driver.find_element(By.TAG_NAME, "body").text.split())


def the(driver: Chrome, selector: str) -> WebElement:
    """The one element that `selector` (CSS) names."""
    found = driver.find_elements(By.CSS_SELECTOR, selector)
    assert 1 == len(found), (selector, len(found))
    return found[0]


def button(driver: Chrome, label: str) -> WebElement:
    """The one button that is called `label`."""
    found = [each for each in driver.find_elements(By.TAG_NAME, "button") if each.text == label]
    assert 1 == len(found), (label, len(found))
    return found[0]


def press(driver: Chrome, element: WebElement, way: str | None = None) -> None:
    """Click `element`, or do with it what the script `way` says, and wait for the page that comes."""
    driver.execute_script("window.before = true")
    if way is None:
        element.click()
    else:
        driver.execute_script(way, element)
    # Between two pages the driver may know neither: an error then only means "not yet".
    wait = WebDriverWait(driver, PAGE_SECONDS, poll_frequency=0.02, ignored_exceptions=[WebDriverException])
    wait.until(lambda _: driver.execute_script("return !window.before && document.readyState == 'complete'"))


def troubles(driver: Chrome) -> list[str]:
    """What an automatic checker finds wrong for people who read with other means than their eyes (WCAG 2.2, A and AA),
    and whether the page is wider than its window."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(driver, options=rules)
    told = [
        f"{each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes']]}"
        for each in found["violations"]
    ]
    assert found["passes"]
    width, window = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    return told if width <= window else [*told, f"{width} pixels in a window of {window}"]
