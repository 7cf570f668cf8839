"""Which list a mail was distributed for, as List-Id and List-Post say."""

from __future__ import annotations

import pytest

from smtpguard.distribution import FIELDS_MAX, distributed_for
from smtpguard.lists import MailingList, Manager
from smtpguard.mail.address import Address
from smtpguard.mail.header import read_header
from smtpguard.policy import Policy

BERLIN = MailingList(
    "berlin",
    Address("berlin.mitte", "lists.example.test"),
    Manager.MAILMAN3,
    "Berlin",
    "x@example.test",
    aliases=(Address("berlin", "example.test"), Address("bär", "xn--lsten-bua.example")),
)
PRESS = MailingList("press", Address("press", "lists.example.test"), Manager.SYMPA, "Press", "x@example.test")
POLICY = Policy((BERLIN, PRESS))
POST = "List-Post: <mailto:berlin.mitte@lists.example.test>"


def found(*fields: str) -> str | None:
    header, _ = read_header(("\r\n".join(fields) + "\r\n\r\n").encode())
    each = distributed_for(header, POLICY)
    return None if each is None else each.id


@pytest.mark.parametrize(
    "fields",
    [
        ["List-Id: <berlin.mitte.lists.example.test>", POST],
        ['List-Id: "Mitte, <all> of it" <Berlin.Mitte.Lists.Example.Test>', "List-Post: NO"],
        ["List-ID: berlin.mitte.lists.example.test", "List-Post: NO (posting not allowed)"],
        ["List-Id: <id.that.was.given.once>", POST],
        [POST],
        ["List-Post: <mailto:Berlin.Mitte@LISTS.example.test?subject=x>"],
        ["List-Post: <https://lists.example.test/new>, <MAILTO:berlin%2Emitte@lists.example.test>"],
        ["List-Id: <berlin.example.test>", POST],
        ["List-Post: <mailto:b%C3%A4r@xn--lsten-bua.example>"],
        ["List-Id: =?utf-8?q?B=C3=A4r?=\r\n <berlin.mitte.lists.example.test>", POST],
        [POST, POST],
    ],
)
def test_the_list_is_found_by_its_fields(fields: list[str]) -> None:
    assert "berlin" == found(*fields)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["List-Id: <berlin.mitte.lists.example.test>"],
        ["List-Id: <press.lists.example.test>", POST],
        ["List-Id: <berlin.mitte.lists.example.test>", "List-Id: <press.lists.example.test>", "List-Post: NO"],
        ["List-Id: <lists.example.test>", "List-Post: NO"],
        ["List-Id: <berlin.mitte.lists.example.test.evil.example>", "List-Post: NO"],
        ["List-Id: <xberlin.mitte.lists.example.test>", "List-Post: NO"],
        ["List-Post: berlin.mitte@lists.example.test"],
        ["List-Post: <mailto:berlin.mitte-owner@lists.example.test>"],
        ["List-Post:"],
        [POST, "X-List-Administrivia: yes"],
        [POST] * (FIELDS_MAX + 1),
        ["List-Id: <" + "a." * 200 + "berlin.mitte.lists.example.test>", "List-Post: NO"],
        ["List-Archive: <https://lists.example.test/berlin>", "To: berlin.mitte@lists.example.test"],
    ],
)
def test_without_a_sure_word_there_is_no_list(fields: list[str]) -> None:
    assert found(*fields) is None
