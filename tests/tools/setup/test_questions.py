"""What is proposed for each question, and what is said about an answer that cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from smtpguard.lists import Manager
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.asking import TRIES_MAX, MissingError, all_answers
from smtpguard.tools.setup.found import Found, ListServer, Postfix
from smtpguard.tools.setup.questions import QUESTIONS
from tests.tools.site import run

GIVEN = {"organisation": "Riverside Gardeners", "server": "mail.example.org", "domain": "example.org",
         "list_domains": "lists.example.org"}  # fmt: skip


def postfix(**parameters: str) -> Found:
    """What is found where Postfix says this of itself."""
    return Found(Postfix("/etc/postfix", parameters, parameters, ()))


def answered(found: Found, given: Mapping[str, str]) -> Answers:
    """The answers where nobody is asked."""
    return all_answers(found, given, None, lambda text: None)


def without(*names: str) -> dict[str, str]:
    return {name: text for name, text in GIVEN.items() if name not in names}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("place", "behind", "write front or filter."),
        ("organisation", " ", "this is empty."),
        ("organisation", "two\nlines", "write one line here."),
        ("server", "mail", "write the whole name of the mail server"),
        ("server", "192.0.2.1", "write the whole name of the mail server"),
        ("domain", "org", "write the whole domain, like example.org."),
        ("domain", "anna@example.org", "write the domain alone"),
        ("domain", "exa mple.org", "two domains in one value."),
        ("list_domains", "lists..example.org", "is no domain like example.org"),
        ("list_domains", "lists.example.org Example.ORG", "example.org is the members' domain"),
        ("list_domains", " , ", "this is empty."),
        ("address", "mailcheck", "is no mail address"),
        ("address", "mailcheck@example.org", "the guard needs a domain of its own, like check.example.org."),
        ("address", "mailcheck@lists.example.org", "the guard needs a domain of its own, like check.example.org."),
        ("address", "mail.check@check.example.org", "write at most 11 of a-z"),
        ("address", "mail-checking@check.example.org", "write at most 11 of a-z"),
        ("contact", "postmaster@check.example.org", "a mailbox that a person reads"),
        ("certificate", "tls.pem", "write a path that begins with / and has no blank in it."),
        ("key", "/etc/ssl/my key.pem", "write a path that begins with / and has no blank in it."),
        ("key", "/etc/{x}", "write a path that begins with / and has no blank in it."),
        ("page", "http://mailcheck.example.org", "in the open"),
        ("page", "https://example.org/mailcheck", "nothing behind the host"),
        ("languages", "de xx", 'there are no texts in "xx". There are: en, de, es, fr.'),
        ("languages", "German", "is no language"),
        ("timezone", "Berlin", "is no time zone. Write it like Europe/Berlin"),
        ("on_alarm", "yes", "write observe, hold or refuse."),
    ],
)
def test_an_answer_that_cannot_be_one_is_told_with_what_to_write(name: str, text: str, words: str) -> None:
    with pytest.raises(MissingError) as caught:
        answered(Found(), {**GIVEN, name: text})

    assert str(caught.value).startswith(f"--{name.replace('_', '-')} ")
    assert words in str(caught.value)


def test_the_settings_file_never_has_to_refuse_what_a_question_took(tmp_path: Path) -> None:
    odd: dict[str, Any] = {
        "organisation": 'The "Old" Harbour: \\ 100 % #1 {x}', "server": "MAIL.Example.ORG", "domain": "BÜCHER.example",
        "list_domains": "no.example, 123.example 1e3.example", "address": "Mail_Check@check.bücher.example",
        "contact": "o'neil+x@example.org", "page": "https://MAILCHECK.example.org:8443/", "languages": "fr,de-AT;en",
        "timezone": "Etc/GMT+5", "certificate": "/etc/a+b@c/x.pem", "key": "/k", "on_alarm": "refuse",
    }  # fmt: skip
    options = [text for name, value in odd.items() for text in (f"--{name.replace('_', '-')}", value)]

    said = run("setup", "--yes", "--without-dns", *options, "--config", tmp_path / "etc" / "smtpguard.yaml", PATH="/")

    assert (0, "") == (said.exit_code, said.stderr)
    checked = run("check", "--config", tmp_path / "etc" / "smtpguard.yaml")
    assert (0, "") == (checked.exit_code, checked.stderr)


@pytest.mark.parametrize("name", ["organisation", "server", "domain", "list_domains"])
def test_an_answer_that_nothing_stands_for_has_to_be_given(name: str) -> None:
    given = without(name) if name != "domain" else {**without(name), "server": "mail.local"}

    with pytest.raises(
        MissingError, match=rf"^give --{name.replace('_', '-')}: nothing was found for it, and with --yes"
    ):
        answered(Found(), given)


def test_what_belongs_to_the_other_place_is_refused() -> None:
    with pytest.raises(MissingError, match=r"^--certificate, --key: this belongs to --place front"):
        answered(Found(), {**GIVEN, "place": "filter", "certificate": "/a", "key": "/b"})


def test_names_and_domains_are_proposed_by_postfix() -> None:
    found = postfix(
        myhostname="Mail.Example.org", mydomain="example.org", mydestination="mail.example.org, localhost",
        virtual_mailbox_domains="hash:/etc/postfix/domains", relay_domains="lists.example.org, backup.example.net",
    )  # fmt: skip

    answers = answered(found, without("server", "domain", "list_domains"))

    assert ("mail.example.org", "example.org") == (answers.server, answers.domain)
    assert ("lists.example.org",) == answers.list_domains
    assert "mailcheck@check.example.org" == str(answers.address)


def test_the_members_domain_is_the_one_with_mailboxes() -> None:
    found = postfix(
        myhostname="mx1.hosting.example", mydomain="hosting.example", mydestination="localhost",
        virtual_mailbox_domains="members.example.org",
    )  # fmt: skip

    assert "members.example.org" == answered(found, without("server", "domain")).domain


def test_a_machine_without_a_name_of_its_own_is_asked_for_it() -> None:
    with pytest.raises(MissingError, match=r"^give --server"):
        answered(postfix(myhostname="debian", mydomain="localdomain", mydestination="debian"), without("server"))


def test_list_domains_are_those_of_the_list_managers() -> None:
    mailman = ListServer(Manager.MAILMAN3, "/m", ("lists.example.org", "example.org"))
    sympa = ListServer(Manager.SYMPA, "/s", ("sympa.example.org", "lists.example.org"))

    found = Found(list_servers=(mailman, sympa))
    only_there = Found(list_servers=(ListServer(Manager.MAILMAN3, "/m", ("example.org",)),))

    assert ("lists.example.org", "sympa.example.org") == answered(found, without("list_domains")).list_domains
    assert () == answered(only_there, without("list_domains")).list_domains


@pytest.mark.parametrize(
    ("parameters", "certificate", "key"),
    [
        ({"smtpd_tls_cert_file": "/c.pem", "smtpd_tls_key_file": "/k.pem"}, "/c.pem", "/k.pem"),
        ({"smtpd_tls_chain_files": "/both.pem, /rsa.pem", "smtpd_tls_cert_file": "/old"}, "/both.pem", "/both.pem"),
        ({}, "/etc/smtpguard/tls/fullchain.pem", "/etc/smtpguard/tls/key.pem"),
        ({"smtpd_tls_cert_file": "none"}, "/etc/smtpguard/tls/fullchain.pem", "/etc/smtpguard/tls/key.pem"),
    ],
)
def test_the_certificate_is_that_which_members_see_now(parameters: dict[str, str], certificate: str, key: str) -> None:
    answers = answered(postfix(**parameters), GIVEN)

    assert (certificate, key) == (answers.certificate, answers.key)


def test_a_key_in_a_file_of_its_own_is_proposed_with_the_certificate_that_follows_it() -> None:
    parameters = {"smtpd_tls_chain_files": "/key.pem /cert.pem"}
    found = Found(Postfix("/etc/postfix", parameters, parameters, (), pair=("/cert.pem", "/key.pem")))
    answers = answered(found, GIVEN)
    other = answered(found, {**GIVEN, "certificate": "/own.pem"})

    assert ("/cert.pem", "/key.pem") == (answers.certificate, answers.key)
    assert "/etc/smtpguard/tls/key.pem" == other.key


def test_a_certificate_of_ones_own_has_not_the_key_of_postfix() -> None:
    found = postfix(smtpd_tls_cert_file="/c.pem", smtpd_tls_key_file="/k.pem")

    assert "/etc/smtpguard/tls/key.pem" == answered(found, {**GIVEN, "certificate": "/own.pem"}).key


def test_language_and_time_zone_are_the_machines_as_far_as_there_are_texts() -> None:
    assert (("de",), "Europe/Berlin") == _spoken(Found(language="de", timezone="Europe/Berlin"))
    assert (("en",), "UTC") == _spoken(Found(language="fi"))


def _spoken(found: Found) -> tuple[tuple[str, ...], str]:
    answers = answered(found, GIVEN)
    return answers.languages, answers.timezone


def test_something_found_that_cannot_be_taken_is_named() -> None:
    with pytest.raises(MissingError, match=r"^give --timezone: what was found cannot be taken: Mars/Crater: "):
        answered(Found(timezone="Mars/Crater"), GIVEN)


def test_who_answers_wrongly_for_ever_is_not_asked_for_ever() -> None:
    said: list[str] = []

    with pytest.raises(MissingError, match=r"^--place: no answer that can be used in 10 tries\.$"):
        all_answers(Found(), GIVEN, lambda question, proposed: "?", said.append)

    assert ["  That cannot be: write front or filter."] * TRIES_MAX == said


def test_every_question_is_an_option_with_its_help() -> None:
    text = " ".join(run("setup", "--help").stdout.split())

    for question in QUESTIONS:
        assert f"{question.option} TEXT" in text
        assert " ".join(question.help.split())[:40] in text
