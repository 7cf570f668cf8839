"""`smtpguard import mailman` on Mailman's own REST interface, and what it says when something has changed there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from smtpguard.config.loading import load
from smtpguard.lists import Audience, ListKind, MailingList
from tests.e2e.stack import LIST_DOMAIN, MEMBERS, Stack
from tests.e2e.stack.mailman import REST_PASSWORD, REST_USER
from tests.ports import HOST
from tests.tools.site import run

pytestmark = pytest.mark.e2e

NAMES = ("choir", "choir-news", "everyone")


@pytest.fixture
def more_lists(stack: Stack) -> Iterator[Stack]:
    """The site with three lists more: one for discussion, one for announcements, and an umbrella over both."""
    mailman = stack.mailman
    try:
        for name in NAMES:
            mailman.call("POST", "lists", fqdn_listname=f"{name}@{LIST_DOMAIN}")
        subscribe(stack, "everyone", f"choir@{LIST_DOMAIN}")
        subscribe(stack, "everyone", f"choir-news@{LIST_DOMAIN}")
        subscribe(stack, "choir-news", MEMBERS["anna"].address, moderation="accept")
        subscribe(stack, "choir-news", MEMBERS["ben"].address)
        configure(stack, "choir", description="Choir: rehearsals", acceptable_aliases=f"singers@{LIST_DOMAIN}")
        configure(stack, "choir-news", default_member_action="reject", reply_goes_to_list="explicit_header",
                  reply_to_address=f"choir@{LIST_DOMAIN}")  # fmt: skip
        configure(stack, "everyone", advertised="False", allow_list_posts="False")
        yield stack
    finally:
        there = {each["list_id"] for each in mailman.call("GET", "lists")["entries"]}
        for name in NAMES:
            if f"{name}.{LIST_DOMAIN}" in there:
                mailman.call("DELETE", f"lists/{name}.{LIST_DOMAIN}")


def configure(stack: Stack, name: str, **fields: str) -> None:
    stack.mailman.call("PATCH", f"lists/{name}.{LIST_DOMAIN}/config", **fields)


def subscribe(stack: Stack, name: str, mailbox: str, moderation: str | None = None) -> None:
    mailman = stack.mailman
    mailman.call(
        "POST", "members", list_id=f"{name}.{LIST_DOMAIN}", subscriber=mailbox,
        pre_verified="True", pre_confirmed="True", pre_approved="True",
    )  # fmt: skip
    if moderation is not None:
        member = mailman.call("GET", f"lists/{name}.{LIST_DOMAIN}/member/{mailbox}")["member_id"]
        mailman.call("PATCH", f"members/{member}", moderation_action=moderation)


def imported(stack: Stack, folder: Path, *more: str, password: str = REST_PASSWORD) -> Result:
    file = folder / "password"
    file.write_text(f"{password}\n")
    file.chmod(0o600)
    return run(
        "import", "mailman", f"http://{HOST}:{stack.mailman.rest}/3.1", "--user", REST_USER, "--password-file", file,
        "--config", folder / "smtpguard.yaml", *more,
    )  # fmt: skip


def lists_of(config: Path) -> dict[str, MailingList]:
    policy = load(config).policy
    assert policy is not None
    return dict(policy.by_id)


def test_real_lists_become_files_that_check_takes_and_drift_is_told(more_lists: Stack, tmp_path: Path) -> None:
    stack = more_lists
    config = tmp_path / "smtpguard.yaml"
    config.write_text(f"list_domains: [{LIST_DOMAIN}]\naddress: mailcheck@check.example.test\n")

    said = imported(stack, tmp_path)

    number = len(stack.lists) + len(NAMES)
    assert (0, "") == (said.exit_code, said.stderr)
    assert f"{number} lists of Mailman, {number} written." == said.stdout.splitlines()[-1]
    found = lists_of(config)
    assert {*stack.lists, *NAMES} == found.keys()
    choir, news, everyone = (found[name] for name in NAMES)
    assert ("Choir: rehearsals", f"choir-owner@{LIST_DOMAIN}") == (choir.about, choir.contact)
    assert (ListKind.DISCUSSION, [f"singers@{LIST_DOMAIN}"]) == (choir.kind, [str(each) for each in choir.aliases])
    assert (ListKind.ANNOUNCE, {MEMBERS["anna"].address}, "choir") == (news.kind, set(news.posters), news.discussion)
    assert ({"choir", "choir-news"}, Audience.CLOSED) == (set(everyone.includes), everyone.audience)
    assert 0 == run("check", "--config", config).exit_code
    assert "the kind is discussion here, and announce for Mailman" in imported(stack, tmp_path, "--check").stdout

    configure(stack, "everyone", allow_list_posts="True")
    assert (0, f"{number} lists of Mailman: all as in lists/\n") == (
        (same := imported(stack, tmp_path, "--check")).exit_code,
        same.stdout,
    )

    configure(stack, "everyone", acceptable_aliases=f"all@{LIST_DOMAIN}")
    stack.mailman.call("DELETE", f"lists/choir-news.{LIST_DOMAIN}")
    drift = imported(stack, tmp_path, "--check")
    added = imported(stack, tmp_path, "--add")
    assert (1, "") == (drift.exit_code, drift.stderr)
    assert [
        f"lists/choir-news.yaml: Mailman has no list choir-news@{LIST_DOMAIN}.",
        f"lists/everyone.yaml: the aliases lack what Mailman names: all@{LIST_DOMAIN}.",
    ] == drift.stdout.splitlines()
    assert (0, "") == (added.exit_code, added.stderr)
    assert [f"all@{LIST_DOMAIN}"] == [str(each) for each in lists_of(config)["everyone"].aliases]


def test_mailman_refuses_a_wrong_password_and_nothing_is_written(stack: Stack, tmp_path: Path) -> None:
    config = tmp_path / "smtpguard.yaml"
    config.write_text(f"list_domains: [{LIST_DOMAIN}]\n")

    wrong = imported(stack, tmp_path, password="a wrong one")
    assert (69, True) == (wrong.exit_code, "refuses this user or password (HTTP 401)" in wrong.stderr)
    assert "a wrong one" not in wrong.stdout + wrong.stderr
    assert not (tmp_path / "lists").exists()
