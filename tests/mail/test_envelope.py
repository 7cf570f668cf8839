"""Arguments of MAIL and RCPT: kept as typed, read only to decide."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpguard.mail.address import Address
from smtpguard.mail.envelope import Path, parse_path


def path(argument: str) -> Path:
    parsed = parse_path(argument)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    "argument", ["FROM:<Anna@x.test>", "from: <Anna@x.test>", "To :<Anna@x.test>", "TO:\t<Anna@x.test>  "]
)
def test_verb_words_are_read_without_case_and_with_the_blanks_old_clients_type(argument: str) -> None:
    assert path(argument).typed == "<Anna@x.test>"
    assert path(argument).address == Address("anna", "x.test")
    assert path(argument).parameters == ()


def test_the_path_is_kept_as_typed() -> None:
    for typed in (
        '<"a b>c"@x.test>',
        "<@r.test:a@x.test>",
        "anna@x.test",
        '<"a\\"b"@x.test>',
        "<ä@x.test>",
        "<\udcff@x.test>",
    ):
        assert path(f"TO:{typed} NOTIFY=NEVER").typed == typed


def test_parameters_are_kept_as_typed_and_found_without_case() -> None:
    read = path("FROM:<a@b> size=12  Body=8BITMIME\tENVID=Ab+2B\u00a0x SMTPUTF8 X=a=b")

    assert read.parameters == ("size=12", "Body=8BITMIME", "ENVID=Ab+2B\u00a0x", "SMTPUTF8", "X=a=b")
    assert read.parameter("SIZE") == "12"
    assert read.parameter("smtputf8") == ""
    assert read.parameter("x") == "a=b"
    assert read.parameter("RET") is None


def test_the_null_reverse_path_has_no_address() -> None:
    for argument in ("FROM:<>", "FROM: < >", "FROM:<> RET=FULL"):
        assert path(argument).is_null
        assert path(argument).address is None
    assert not path("FROM:<a@b>").is_null


@pytest.mark.parametrize(
    "argument",
    [
        "", "FROM", "FROM:", "FROM: ", "<a@b>", "a@b", "FROM <a@b>", "FROM:<a@b", "FROM:a@b>", "FROM:<a@b>SIZE=1",
        "FROM:<<a@b>", "FROM:<a@b>>", 'FROM:<"a@b>', "REPLY:<a@b>", "FROM:<a@b><c@d>", "FROM:<a<x>@b>",
    ],
)  # fmt: skip
def test_what_has_no_path_is_none(argument: str) -> None:
    assert parse_path(argument) is None


def test_the_longest_line_is_read_in_no_time() -> None:
    hostile = [
        "FROM:<a> x" + " " * 100_000 + "y",
        "FROM:<" + '"' * 100_001,
        "FROM:<" + "\\" * 100_000,
        "FROM:" + "a" * 100_000 + "<",
    ]

    begin = time.process_time()
    for argument in hostile:
        parse_path(argument)

    assert time.process_time() - begin < 1


@settings(database=None, max_examples=3 * settings().max_examples)
@given(st.text(alphabet=st.sampled_from('ab@.<>"\\ \t=\u00a0\udc80'), max_size=40))
def test_what_is_read_is_what_was_typed(text: str) -> None:
    read = parse_path("TO:" + text)

    if read is not None:
        assert " ".join(("TO:" + text).replace("\t", " ").split(" ")).replace(" ", "") == (
            "TO:" + read.typed + "".join(read.parameters)
        ).replace("\t", " ").replace(" ", "")
