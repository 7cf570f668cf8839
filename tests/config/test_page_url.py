"""Where members reach the page: as browsers write it in Origin, or their forms would be nobody's."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from smtpguard.config.places import PageUrl


class _Said(BaseModel):
    url: PageUrl


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://mailcheck.example.org", "https://mailcheck.example.org"),
        ("HTTPS://MailCheck.Example.ORG/", "https://mailcheck.example.org"),
        ("https://mailcheck.example.org:443", "https://mailcheck.example.org"),
        ("https://mailcheck.example.org:8443/", "https://mailcheck.example.org:8443"),
        ("https://prüfung.example", "https://xn--prfung-4ya.example"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://[2001:DB8:0:0:0:0:0:1]:8443", "https://[2001:db8::1]:8443"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
    ],
)
def test_T_23_an_address_of_the_page_is_what_browsers_say_of_it(written: str, origin: str) -> None:
    assert origin == _Said(url=written).url


@pytest.mark.parametrize(
    "written",
    [
        "mailcheck.example.org", "https://", "https:///h", "ftp://a.example", "https://a.example/h", "https://a.example?x",
        "https://a.example#x", "https://user@a.example", "https://a.example:99999", "https://a b", "https://[::1%eth0]",
        "https://[zz]", "http://a.example",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        _Said(url=written)
