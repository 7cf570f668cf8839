"""What the settings of rule 11 become for judging, and what is asked of whoever remembers private mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smtpguard.config.private_mail import letter
from smtpguard.config.settings import Settings
from smtpguard.mail.address import Address
from smtpguard.mail.bounds import Bounds
from smtpguard.policy import Kind, Policy, Remember
from tests.config.test_rule_12_settings import SITE, loaded_from, policy_of

TODAY = datetime.now(UTC).date()


def test_the_site_s_words_reach_the_judge(tmp_path: Path) -> None:
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "roster.txt").write_text("Anna@example.org\nben@elsewhere.example\n")
    (tmp_path / "one.txt").write_text("With kind regards from us\nOur meetings are on Tuesdays\n")
    (tmp_path / "two.txt").write_text("Mit freundlichen Grüßen vom Vorstand\n")
    site = f"""{SITE}timezone: UTC
roster: members/roster.txt
remember: all
members_informed: {TODAY}
memory: {{private: 14d}}
stock: [one.txt, two.txt, one.txt]
consent_marks: "[public]"
private_marks: []
defaults: {{adding_people: ask, private_max_recipients: 5, strict: true}}
limits: {{inspect_text: 1MiB, inspect_parts: 50, inspect_depth: 5, inspect_time: 1s, alarms_per_account_and_hour: 3}}
"""
    loaded = loaded_from(tmp_path, site)
    policy = policy_of(loaded)

    assert {("anna", "example.org"), ("ben", "elsewhere.example")} == policy.roster
    assert Remember.ALL is policy.remember
    assert (True, True, 5) == (policy.strict, policy.adding_people_asks, policy.private_max_recipients)
    assert (("[public]",), ()) == (policy.consent_marks, policy.private_marks)
    assert (
        "With kind regards from us",
        "Our meetings are on Tuesdays",
        "Mit freundlichen Grüßen vom Vorstand",
    ) == policy.stock
    assert (Bounds(1024 * 1024, 50, 5, 1), 3) == (policy.bounds, policy.alarms_per_account_and_hour)
    assert loaded.settings is not None
    assert (TODAY, timedelta(days=14)) == (loaded.settings.members_informed, loaded.settings.memory.private)
    assert () == loaded.problems


def test_without_a_word_the_judge_has_its_own_defaults(tmp_path: Path) -> None:
    said, own = policy_of(loaded_from(tmp_path)), Policy()
    names = (
        "member_domains", "roster", "remember", "strict", "adding_people_asks", "private_max_recipients",
        "consent_marks", "private_marks", "stock", "bounds", "alarms_per_account_and_hour",
    )  # fmt: skip

    assert {each: getattr(own, each) for each in names} == {each: getattr(said, each) for each in names}


def test_a_list_s_words_are_about_mail_to_it_and_silence_is_the_site_s(tmp_path: Path) -> None:
    site = SITE + "defaults: {strict: true, adding_people: ask}\n"
    loose = "strict: false\nadding_people: pass\nencrypted: true\n"
    policy = policy_of(loaded_from(tmp_path, site, bikes=loose, boats=""))
    bikes, boats = policy.by_id["bikes"], policy.by_id["boats"]

    assert (False, True) == (policy.strict_of(bikes), policy.strict_of(boats))
    assert (True, False) == (bikes.encrypted, boats.encrypted)
    assert not policy.adding_people_asks_of([bikes])
    assert policy.adding_people_asks_of([bikes, boats])
    assert policy.adding_people_asks_of([])


# ---------------------------------------------------------------- who is a member


def test_without_a_roster_the_domain_tells_members_and_nobody_is_an_outsider(tmp_path: Path) -> None:
    policy = policy_of(loaded_from(tmp_path, SITE + "member_domains: Example.org\n"))

    assert Kind.MEMBER is policy.kind(Address("anna", "example.org"))
    assert Kind.PERSON is policy.kind(Address("ben", "elsewhere.example"))
    assert not policy.is_outsider(Address("ben", "elsewhere.example"))


def test_with_a_roster_its_addresses_are_the_members_and_all_others_outsiders(tmp_path: Path) -> None:
    (tmp_path / "roster.txt").write_text("ben@elsewhere.example\nZoë@example.org\n")
    site = SITE + "roster: roster.txt\nmember_domains: [example.org]\ndesks: [trust@example.org]\n"
    policy = policy_of(loaded_from(tmp_path, site, bikes=""))

    assert policy.is_member(Address("BEN", "elsewhere.example"))
    assert policy.is_member(Address("zoe\u0308", "example.org"))
    assert not policy.is_member(Address("anna", "example.org"))
    assert policy.is_outsider(Address("anna", "example.org"))
    assert not policy.is_outsider(Address("ben", "elsewhere.example"))
    for each in ("bikes@lists", "bikes-owner@lists", "nobody@lists", "trust@"):
        assert not policy.is_outsider(
            Address(each.partition("@")[0], f"{each.partition('@')[2]}.example.org".strip("."))
        )


# ---------------------------------------------------------------- members are told before


@pytest.mark.parametrize(("remember", "words_are_kept"), [("threads", False), ("all", True)])
def test_private_mail_is_remembered_only_where_members_know(
    tmp_path: Path, remember: str, words_are_kept: bool
) -> None:
    said = SITE + f"remember: {remember}\n"
    refused = loaded_from(tmp_path, said)

    (problem,) = refused.problems
    assert refused.policy is None
    assert ("smtpguard.yaml", 2) == (problem.file, problem.line)
    # The whole of it, to be copied.
    assert letter(Settings(remember=remember)) in problem.text
    assert words_are_kept is ("with which words" in problem.text)
    assert words_are_kept is not ("Nothing of the words is kept" in problem.text)
    policy = policy_of(loaded_from(tmp_path, f"{said}timezone: UTC\nmembers_informed: {TODAY}\n"))
    assert (True, words_are_kept) == (policy.remember.threads, policy.remember.texts)


@pytest.mark.parametrize("remember", ["none", "lists"])
def test_nobody_need_be_told_where_no_private_mail_is_remembered(tmp_path: Path, remember: str) -> None:
    policy = policy_of(loaded_from(tmp_path, SITE + f"remember: {remember}\n"))

    assert (remember == "lists", False, False) == (
        policy.remember.posts,
        policy.remember.threads,
        policy.remember.texts,
    )


def test_the_day_on_which_members_were_told_is_over_or_today(tmp_path: Path) -> None:
    site = SITE + "timezone: UTC\nremember: all\nmembers_informed: {}\n"

    assert loaded_from(tmp_path, site.format(TODAY - timedelta(days=400))).ok
    assert not loaded_from(tmp_path, site.format(TODAY + timedelta(days=2))).ok


def test_a_wrong_day_is_one_mistake(tmp_path: Path) -> None:
    problems = loaded_from(tmp_path, SITE + "remember: all\nmembers_informed: soon\n").problems

    assert ["write the day as 2026-12-31 (year-month-day)."] == [each.text for each in problems]
