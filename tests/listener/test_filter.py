"""The attributes of XCLIENT: what is read, and that nothing makes it fail."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smtpguard.listener.filter import ATTRIBUTES, xclient_attributes


def xtext(value: str) -> str:
    """RFC 3461, 4."""
    return "".join(
        chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}" for octet in value.encode()
    )


@given(st.text(min_size=1).filter(lambda each: each.isprintable() and each.strip() and not each.startswith("[")))
def test_every_login_comes_out_as_it_went_in(login: str) -> None:
    assert xclient_attributes(f"ADDR=192.0.2.7 LOGIN={xtext(login)}") == {"ADDR": "192.0.2.7", "LOGIN": login}


@given(
    st.text(st.characters(codec="utf-8")) | st.binary().map(lambda octets: octets.decode("utf-8", "surrogateescape"))
)
def test_nothing_makes_it_fail(argument: str) -> None:
    for typed in (argument, f"LOGIN={argument}", f"LOGIN=+{argument}"):
        found = xclient_attributes(typed)
        assert found is None or set(found) <= set(ATTRIBUTES)


@given(st.sampled_from(ATTRIBUTES), st.sampled_from(ATTRIBUTES))
def test_no_attribute_stands_twice(one: str, other: str) -> None:
    assert (xclient_attributes(f"{one}=a {other.lower()}=b") is None) is (one == other)
