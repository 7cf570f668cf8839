"""What the settings of rule 12 become for judging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from smtpguard.config.loading import Loaded, load
from smtpguard.lists import Burst, Exemption, ListKind, OnAlarm, WrongIf, WrongTopic
from smtpguard.mail.address import Address
from smtpguard.policy import Policy

SITE = "list_domains: [lists.example.org]\n"
SOON = (datetime.now(UTC) + timedelta(days=9)).date()
BIKES = f"""
crosspost_with: Boats
kind: announce
posters: [Anna, press@Example.org, "zoë@bücher.example"]
discussion: boats@lists.example.org
includes: boats
topics: [tyre, pump]
tag: "[Bikes]"
wrong_if:
  - subject_has: [sail, "high water"]
    use: Boats
    say: "Boats know."
  - subject_has: oar
    use: boats
exceptions: {{until: {SOON}, crosspost_with: boats, reason: "Regatta"}}
examples:
  - {{to: bikes, subject: "Ride", expect: pass}}
  - to: [bikes, robin@example.org]
    from: anna
    text: |
      Two lines
      of text.
    expect: refuse
automatic: calendar
was: cycles
say: "Please use boats."
call: "Kim, 555 0101"
on_alarm: refuse
expires: 2d
first_post: ask
burst: {{posts: 3}}
wrong_topic: off
"""


def loaded_from(folder: Path, site: str = SITE, **lists: str) -> Loaded:
    (folder / "smtpguard.yaml").write_text(site, encoding="utf-8")
    (folder / "lists").mkdir(exist_ok=True)
    for name, more in lists.items():
        at = f"{name}@lists.example.org"
        must = f"list: {at}\nmanager: mailman3\nabout: About {name}\ncontact: {name}-owner@lists.example.org\n"
        (folder / "lists" / f"{name}.yaml").write_text(must + more, encoding="utf-8")
    return load(folder / "smtpguard.yaml")


def policy_of(loaded: Loaded) -> Policy:
    assert loaded.ok, loaded.problems
    assert loaded.policy is not None
    return loaded.policy


def test_every_key_of_a_list_file_reaches_the_judge(tmp_path: Path) -> None:
    bikes = policy_of(loaded_from(tmp_path, SITE + "account_domain: example.org\n", bikes=BIKES, boats="")).by_id[
        "bikes"
    ]

    assert ListKind.ANNOUNCE is bikes.kind
    logins = {"anna@example.org", "press@example.org", "zoë@bücher.example", "zoë@xn--bcher-kva.example"}
    assert logins == bikes.posters
    assert bikes.discussion == "boats"
    assert {"boats"} == bikes.includes == bikes.crosspost_with
    assert (("tyre", "pump"), "[Bikes]") == (bikes.topics, bikes.tag)
    assert (WrongIf(("sail", "high water"), "boats", "Boats know."), WrongIf(("oar",), "boats")) == bikes.wrong_if
    assert (Exemption(SOON, frozenset({"boats"}), "Regatta"),) == bikes.exemptions
    assert {"calendar@example.org"} == bikes.automatic
    assert ("cycles", "Please use boats.", "Kim, 555 0101") == (bikes.was, bikes.say, bikes.call)
    assert (OnAlarm.REFUSE, timedelta(days=2), True) == (bikes.on_alarm, bikes.expires, bikes.first_post_asks)
    assert (Burst(3), WrongTopic.OFF) == (bikes.burst, bikes.wrong_topic)


def test_examples_stay_with_the_file(tmp_path: Path) -> None:
    files = {each.id: each for each in loaded_from(tmp_path, bikes=BIKES, boats="").files}
    said = files["bikes"].settings
    assert said is not None

    assert [(each.to, each.subject, each.sender, each.text, each.expect) for each in said.examples] == [
        (("bikes",), "Ride", None, None, "pass"),
        (("bikes", "robin@example.org"), "Example", "anna", "Two lines\nof text.", "refuse"),
    ]


def test_what_a_list_file_does_not_say_the_site_decides(tmp_path: Path) -> None:
    bikes = policy_of(loaded_from(tmp_path, bikes="")).by_id["bikes"]

    assert {None} == {bikes.on_alarm, bikes.expires, bikes.first_post_asks, bikes.burst, bikes.wrong_topic, bikes.call}


def test_the_site_s_defaults_reach_the_judge(tmp_path: Path) -> None:
    site = """
timezone: Europe/Berlin
list_domains: [lists.example.org]
list_addresses: oars@example.net
plus_addresses: true
groups:
  crew@example.org: {expands: [bikes, boats@lists.example.org, kim@example.org]}
  pair@example.org: {expands: crew@example.org}
accounts: {calendar: {mailbox: null, automatic: true}}
remember: none
memory: {posts: 90d}
defaults:
  on_alarm: observe
  wrong_topic: hold
  first_post: ask
  burst: {posts: 9, within: 2h, do: ask}
  visible_max: 7
  window: 3d
  thread_memory: 12d
"""
    loaded = loaded_from(tmp_path, site, bikes="", boats="aliases: oars@example.net\n")
    policy = policy_of(loaded)
    settings = loaded.settings
    assert settings is not None

    assert (OnAlarm.OBSERVE, WrongTopic.HOLD, True) == (policy.on_alarm, policy.wrong_topic, policy.first_post_asks)
    assert Burst(9, timedelta(hours=2), True) == policy.burst
    assert (7, timedelta(days=3), timedelta(days=12)) == (policy.visible_max, policy.window, policy.thread_memory)
    assert ZoneInfo("Europe/Berlin") == policy.zone
    assert ("none", timedelta(days=90)) == (settings.remember, settings.memory.posts)
    found = policy.lists_of([Address("pair", "example.org"), Address("oars", "example.net")])
    assert ["bikes", "boats"] == [each.id for each in found]
    assert policy.list_of(Address("bikes+x", "lists.example.org")) is policy.by_id["bikes"]


def test_without_a_word_the_judge_has_its_own_defaults(tmp_path: Path) -> None:
    said, own = policy_of(loaded_from(tmp_path)), Policy()
    names = (
        "on_alarm", "expires", "expires_max", "first_post_asks", "burst", "visible_max", "window", "thread_memory",
        "wrong_topic", "groups", "plus_addresses", "max_lists", "hold_size",
    )  # fmt: skip

    assert {each: getattr(own, each) for each in names} == {each: getattr(said, each) for each in names}


@pytest.mark.parametrize("days", [0, 1, 59])
def test_an_exception_may_end_today_or_within_sixty_days(tmp_path: Path, days: int) -> None:
    until = datetime.now(UTC).date() + timedelta(days=days)
    entry = "exceptions: [{{until: {}, crosspost_with: [{}], reason: Ride}}]\n"
    loaded = loaded_from(
        tmp_path, SITE + "timezone: UTC\n", bikes=entry.format(until, "boats"), boats=entry.format(until, "bikes")
    )

    assert loaded.problems == ()
    noon = datetime(until.year, until.month, until.day, 12, tzinfo=UTC)
    lists = policy_of(loaded).lists
    assert policy_of(loaded).allowed(lists, noon)
    assert not policy_of(loaded).allowed(lists, noon + timedelta(days=1))


def test_an_exception_beside_a_pair_for_good_or_of_the_site_is_not_one_sided(tmp_path: Path) -> None:
    entry = f"exceptions: [{{until: {SOON}, crosspost_with: [boats, oars], reason: Ride}}]\n"
    site = SITE + "crosspost_pairs: [bikes, oars]\n"
    loaded = loaded_from(tmp_path, site, bikes=entry, boats="crosspost_with: bikes\n", oars="")

    about_bikes = [each for each in loaded.problems if each.file == "lists/bikes.yaml"]
    assert about_bikes == []


def test_a_hostile_net_of_umbrellas_is_read_in_seconds(tmp_path: Path) -> None:
    names = [f"l{n}" for n in range(120)]
    every = {each: f"includes: [{', '.join(other for other in names if other != each)}]\n" for each in names}

    problems = loaded_from(tmp_path, **every).problems

    assert len(problems) == len(names)
    assert all("Delete one of them." in each.text for each in problems)
