"""`smtpguard import`: files that `check` takes, no word of an admin lost, and what has changed since."""

from __future__ import annotations

import fcntl
import resource
from pathlib import Path

import pytest

from smtpguard.config.loading import load
from smtpguard.lists import Audience, ListKind, MailingList
from tests.tools.importing.conftest import Import
from tests.tools.importing.rest_server import AUTHORIZATION, PASSWORD, USER, Lists, send, web_server
from tests.tools.importing.sympa_site import DISCUSSION, packed, write_lists
from tests.tools.site import list_text, run


def lists_of(site: Path) -> dict[str, MailingList]:
    policy = load(site).policy
    assert policy is not None
    return dict(policy.by_id)


def files_of(site: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (site.parent / "lists").iterdir()}


def known(mailman: Lists, *names: str) -> None:
    """The site's own four lists, so that none of them is gone."""
    for name in names or ("berlin", "brandenburg", "harbour", "press"):
        mailman.add(name)


def test_new_lists_get_files_with_all_that_mailman_knows(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir", acceptable_aliases=["singers@lists.example.org", "^.*@spam"], description="Choir: rehearsals")
    mailman.add("news", allow_list_posts=False, reply_goes_to_list="explicit_header",
                reply_to_address="choir@lists.example.org")  # fmt: skip
    mailman.add("everybody", advertised=False, description="")
    mailman.members += [
        ("news@lists.example.org", "dora@example.org", "member", "accept"),
        ("news@lists.example.org", "cara@example.org", "member", None),
        ("everybody@lists.example.org", "choir@lists.example.org", "member", None),
        ("everybody@lists.example.org", "news@lists.example.org", "member", None),
    ]

    said = run_import()

    assert (0, "") == (said.exit_code, said.stderr)
    assert "lists/news.yaml: written (news@lists.example.org).\n" in said.stdout
    assert said.stdout.endswith("3 lists of Mailman, 3 written.\n")
    found = lists_of(site)
    choir, news, everybody = found["choir"], found["news"], found["everybody"]
    assert ["singers@lists.example.org"] == [each.normal for each in choir.aliases]
    assert ("Choir: rehearsals", "choir-owner@lists.example.org") == (choir.about, choir.contact)
    assert (ListKind.ANNOUNCE, {"dora@example.org"}, "choir") == (news.kind, set(news.posters), news.discussion)
    assert ({"choir", "news"}, Audience.CLOSED) == (set(everybody.includes), everybody.audience)
    assert "Everybody" == everybody.about
    assert 0 == run("check", "--config", site).exit_code
    assert 0o644 == (site.parent / "lists" / "news.yaml").stat().st_mode & 0o777


def test_what_was_imported_is_as_it_is_there(site: Path, mailman: Lists, run_import: Import) -> None:
    known(mailman)
    mailman.add("choir", acceptable_aliases=["singers@lists.example.org"])

    assert 0 == run_import().exit_code
    said = run_import("--check")

    assert (0, "5 lists of Mailman: all as in lists/\n") == (said.exit_code, said.output)


def test_a_second_import_changes_nothing(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir", acceptable_aliases=["singers@lists.example.org"], default_member_action="reject")
    mailman.members.append(("choir@lists.example.org", "cara@example.org", "owner", "accept"))
    run_import()
    before = files_of(site)

    said = run_import("--add")

    assert (0, "1 list of Mailman, 0 written.\n") == (said.exit_code, said.output)
    assert before == files_of(site)


def test_a_file_that_is_there_is_left_as_it_is_unless_asked(site: Path, mailman: Lists, run_import: Import) -> None:
    known(mailman, "brandenburg", "harbour", "press")
    mailman.add("berlin", acceptable_aliases=["berlin-list@lists.example.org"], description="Something else")
    before = files_of(site)

    said = run_import()

    assert 0 == said.exit_code
    assert (
        "lists/berlin.yaml: lacks aliases: berlin-list@lists.example.org. --add writes that at its end.\n"
        in said.stdout
    )
    assert before == files_of(site)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n# a last word", "\n\n\n"])
def test_what_is_added_stands_behind_the_admins_own_words(
    site: Path, mailman: Lists, run_import: Import, end: str
) -> None:
    path = site.parent / "lists" / "press.yaml"
    words = list_text("press", "# hands off!", 'call: "555 0100"', "crosspost_with:   [ berlin ]").strip()
    line = "\r\n" if end == "\r\n" else "\n"
    path.write_bytes(b"\xef\xbb\xbf" + (words.replace("\n", line) + end).encode())
    path.chmod(0o640)
    before = path.read_bytes()
    mailman.add("press", acceptable_aliases=["media@lists.example.org"], allow_list_posts=False)
    mailman.members.append(("press@lists.example.org", "dora@example.org", "owner", None))

    said = run_import("--add")

    assert (0, "") == (said.exit_code, said.stderr)
    after = path.read_bytes()
    assert after.startswith(before)
    assert 0o640 == path.stat().st_mode & 0o777
    press = lists_of(site)["press"]
    assert (["media@lists.example.org"], {"dora@example.org"}) == (
        [str(each) for each in press.aliases],
        set(press.posters),
    )
    assert ("555 0100", {"berlin"}) == (press.call, set(press.crosspost_with))
    if end == "\r\n":
        assert after.count(b"\n") == after.count(b"\r\n")


def test_a_key_that_the_admin_wrote_is_his(site: Path, mailman: Lists, run_import: Import) -> None:
    path = site.parent / "lists" / "press.yaml"
    path.write_text(list_text("press", "aliases: [p@lists.example.org]", "kind: discussion", "audience: members"))
    mailman.add("press", acceptable_aliases=["media@lists.example.org"], allow_list_posts=False, advertised=False)
    mailman.members.append(("press@lists.example.org", "dora@example.org", "owner", None))
    before = files_of(site)

    assert "1 list of Mailman, 0 written.\n" == run_import("--add").stdout
    assert before == files_of(site)
    drift = run_import("--check").stdout
    assert "lists/press.yaml: the aliases lack what Mailman names: media@lists.example.org.\n" in drift
    assert "lists/press.yaml: the kind is discussion here, and announce for Mailman.\n" in drift


def test_a_broken_file_and_one_in_brackets_are_left_alone(site: Path, mailman: Lists, run_import: Import) -> None:
    folder = site.parent / "lists"
    (folder / "press.yaml").write_text(list_text("press", "kindd: announce"))
    (folder / "harbour.yaml").write_text(
        "{list: harbour@lists.example.org, manager: mailman3, about: Boats, contact: it@example.org}\n"
    )
    for name in ("press", "harbour"):
        mailman.add(name, acceptable_aliases=[f"{name}-list@lists.example.org"])
    before = files_of(site)

    said = run_import("--add")

    assert (0, "2 lists of Mailman, 0 written.\n") == (said.exit_code, said.output)
    assert before == files_of(site)
    assert 2 == run_import("--check").stdout.count("the aliases lack what Mailman names")


def test_a_file_that_somebody_edits_is_left_alone(site: Path, mailman: Lists, run_import: Import) -> None:
    path = site.parent / "lists" / "press.yaml"
    mailman.add("press", acceptable_aliases=["media@lists.example.org"])
    before = path.read_bytes()

    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = run_import("--add")

    assert (1, before) == (said.exit_code, path.read_bytes())
    assert "lists/press.yaml is being edited by somebody else." in said.stderr
    assert sorted(files_of(site)) == ["berlin.yaml", "brandenburg.yaml", "harbour.yaml", "press.yaml"]


def test_a_link_to_a_file_elsewhere_is_not_followed(site: Path, mailman: Lists, run_import: Import) -> None:
    path = site.parent / "lists" / "press.yaml"
    elsewhere = site.parent / "press.yaml"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    mailman.add("press", acceptable_aliases=["media@lists.example.org"])
    before = elsewhere.read_bytes()

    run_import("--add")

    assert before == elsewhere.read_bytes()
    assert path.is_symlink()


def test_what_cannot_be_written_is_told_and_leaves_nothing_behind(
    site: Path, mailman: Lists, run_import: Import
) -> None:
    mailman.add("choir")
    before = files_of(site)
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk, and for root, too.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, bounds[1]))
    try:
        said = run_import()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)

    assert (73, True) == (said.exit_code, "lists/choir.yaml cannot be written" in said.stderr)
    assert before == files_of(site)


def test_what_check_would_refuse_is_left_out_and_named(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add(
        "choir",
        acceptable_aliases=["singers@lists.example.org", "choir@example.net", "berlin@lists.example.org",
                            "trust@lists.example.org"],
        allow_list_posts=False,
    )  # fmt: skip
    mailman.members.append(("choir@lists.example.org", "press@lists.example.org", "owner", None))

    said = run_import()

    assert 1 == said.exit_code
    assert "left out: aliases: choir@example.net: choir@example.net is not in a list domain." in said.stderr
    assert "left out: aliases: trust@lists.example.org: trust@lists.example.org is a desk" in said.stderr
    assert "left out: posters: press@lists.example.org: this is the list press" in said.stderr
    choir = lists_of(site)["choir"]
    assert ["singers@lists.example.org"] == [str(each) for each in choir.aliases]
    assert ListKind.DISCUSSION is choir.kind
    assert 0 == run("check", "--config", site).exit_code
    assert "aliases lack what Mailman names: choir@example.net, trust@lists" in run_import("--check").stdout


def test_umbrellas_in_a_circle_are_cut(site: Path, mailman: Lists, run_import: Import) -> None:
    for name in ("one", "two"):
        mailman.add(name)
    mailman.members += [
        ("one@lists.example.org", "two@lists.example.org", "member", None),
        ("two@lists.example.org", "one@lists.example.org", "member", None),
    ]

    said = run_import()

    assert 1 == said.exit_code
    assert "left out: includes: " in said.stderr
    assert 0 == run("check", "--config", site).exit_code


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trust", "trust@lists.example.org is a desk of the site"),
        ("berlin-owner", "this is the owners' address of berlin, not the list."),
        ("_staff", "its name can be no list's id"),
    ],
)
def test_a_list_that_can_have_no_file_keeps_none_of_the_others_from_theirs(
    site: Path, mailman: Lists, run_import: Import, name: str, said: str
) -> None:
    mailman.add(name)
    mailman.add("choir")

    result = run_import()

    assert 1 == result.exit_code
    assert said in result.stderr
    assert {"choir"} == lists_of(site).keys() - {"berlin", "brandenburg", "harbour", "press"}


def test_a_list_that_breaks_another_file_is_not_written(site: Path, mailman: Lists, run_import: Import) -> None:
    (site.parent / "lists" / "house-owner.yaml").write_text(list_text("house-owner"))
    for name in ("house", "choir", "alto", "tenor"):
        mailman.add(name)

    result = run_import()

    assert 1 == result.exit_code
    assert "lists/house-owner.yaml:1:7: this is the owners' address of house" in result.stderr
    assert "house@lists.example.org: lists/house.yaml was not written.\n" in result.stderr
    assert {"choir", "alto", "tenor"} < lists_of(site).keys()
    assert not (site.parent / "lists" / "house.yaml").exists()


def test_an_example_of_another_file_that_fares_otherwise_is_told(
    site: Path, mailman: Lists, run_import: Import
) -> None:
    example = "examples: [{to: [press, choir@lists.example.org], expect: pass}]"
    (site.parent / "lists" / "press.yaml").write_text(list_text("press", example))
    assert 0 == run("check", "--config", site).exit_code
    mailman.add("choir")

    said = run_import()

    assert 1 == said.exit_code
    assert "lists/press.yaml:5:" in said.stderr
    assert 'this example expects "pass"' in said.stderr


def test_lists_of_one_name_in_two_domains_get_two_files(site: Path, mailman: Lists, run_import: Import) -> None:
    site.write_text(site.read_text().replace("[lists.example.org]", "[lists.example.org, lists.example.net]"))
    known(mailman)
    mailman.add("berlin", "lists.example.net")

    assert 0 == run_import().exit_code
    assert "berlin@lists.example.net" == str(lists_of(site)["berlin-lists.example.net"].address)
    assert 0 == run_import("--check").exit_code


def test_drift_has_a_line_for_each_thing(site: Path, mailman: Lists, run_import: Import) -> None:
    site.write_text(site.read_text().replace("[lists.example.org]", "[lists.example.org, lists.example.net]"))
    (site.parent / "lists" / "sailing.yaml").write_text(list_text("sailing").replace("mailman3", "sympa"))
    mailman.add("berlin", acceptable_aliases=["b@lists.example.org"], default_member_action="discard")
    mailman.add("brandenburg", "lists.example.net")
    mailman.add("choir")
    mailman.add("sailing")
    mailman.add("press", default_member_action="hold", emergency=True)
    mailman.members.append(("press@lists.example.org", "berlin@lists.example.org", "member", None))
    before = files_of(site)

    said = run_import("--check")

    former = "brandenburg@lists.example.org"
    assert (1, "") == (said.exit_code, said.stderr)
    assert [
        "lists/berlin.yaml: the aliases lack what Mailman names: b@lists.example.org.",
        "lists/berlin.yaml: the kind is discussion here, and announce for Mailman.",
        f"lists/brandenburg.yaml: the address is {former} here, and brandenburg@lists.example.net for Mailman.",
        "lists/harbour.yaml: Mailman has no list harbour@lists.example.org.",
        "lists/press.yaml: includes lacks lists that get its mail by Mailman: berlin.",
        "lists/sailing.yaml: the manager is sympa here, but Mailman runs sailing@lists.example.org.",
        "choir@lists.example.org: Mailman has this list, and no file in lists/ is about it.",
    ] == said.stdout.splitlines()
    assert before == files_of(site)


def test_lists_that_are_named_are_neither_compared_nor_written(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("berlin", default_member_action="discard")
    mailman.add("choir")
    mailman.add("sailing")
    mailman.add("brandenburg")
    mailman.add("press")
    others = ("Berlin@lists.example.org", "choir@lists.example.org", "harbour@lists.example.org")
    silent = [word for each in others for word in ("--except", each)]

    said = run_import("--check", *silent)

    assert ["sailing@lists.example.org: Mailman has this list, and no file in lists/ is about it."] == (
        said.stdout.splitlines()
    )
    assert 0 == run_import(*silent).exit_code
    assert 0 == run_import("--check", *silent).exit_code
    assert (True, False) == ("sailing" in lists_of(site), "choir" in lists_of(site))
    bad = run_import("--except", "choir")
    assert (2, True) == (bad.exit_code, "--except choir: this is no address like" in bad.stderr)


def test_with_a_domain_nothing_else_is_looked_at(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir", "lists.example.net")

    said = run_import("--check", "--domain", "Lists.Example.NET")

    assert "choir@lists.example.net: Mailman has this list, and no file in lists/ is about it.\n" == said.stdout
    assert 2 == run_import("--domain", "a b").exit_code


def test_a_dry_run_writes_nothing(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir")
    before = files_of(site)

    said = run_import("--dry-run")

    assert (0, True) == (said.exit_code, "lists/choir.yaml: would be written (choir@lists.example.org)." in said.stdout)
    assert before == files_of(site)
    assert 2 == run_import("--check", "--dry-run").exit_code


def test_moderated_lists_are_left_open_and_told(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir", default_member_action="hold")

    said = run_import()

    assert 0 == said.exit_code
    assert "lists/choir.yaml: note: without a kind: Mailman keeps what members post" in said.stdout
    assert ListKind.DISCUSSION is lists_of(site)["choir"].kind
    assert "choir" not in run_import("--check").stdout


def test_no_member_is_read_but_who_may_post_to_announcements(mailman: Lists, run_import: Import) -> None:
    mailman.add("choir")
    mailman.members.append(("choir@lists.example.org", "cara@example.org", "member", None))

    run_import()

    asked = [each for each in mailman.asked if "/members" in each]
    assert ["/3.1/members/find?count=100&page=1&subscriber=choir%40lists.example.org&role=member"] == asked


@pytest.mark.slow
def test_pages_are_read_to_the_end(site: Path, mailman: Lists, run_import: Import) -> None:
    for number in range(230):
        mailman.add(f"team-{number}")

    said = run_import()

    assert (0, "230 lists of Mailman, 230 written.") == (said.exit_code, said.stdout.splitlines()[-1])
    assert 234 == len(lists_of(site))
    assert 3 == sum(each.startswith("/3.1/lists?") for each in mailman.asked)


def test_a_list_deleted_while_we_ask_is_passed_over(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir")
    mailman.add("gone")
    whole = mailman.answer
    mailman.answer = lambda path: None if path.endswith("gone.lists.example.org/config") else whole(path)  # type: ignore[method-assign]

    assert "1 list of Mailman, 1 written." == run_import().stdout.splitlines()[-1]


@pytest.mark.parametrize("answer", [[], "x", None, 7, {"entries": 3}, {"entries": ["x"]}, {"entries": [[]]}])
def test_an_answer_that_is_not_mailmans_is_told(mailman: Lists, run_import: Import, answer: object) -> None:
    mailman.answer = lambda path: answer  # type: ignore[method-assign]

    said = run_import()

    assert 69 == said.exit_code
    assert "Traceback" not in said.output
    assert "Mailman's REST interface" in said.stderr or "there is nothing at" in said.stderr


def test_settings_of_other_types_than_mailmans_do_no_harm(site: Path, mailman: Lists, run_import: Import) -> None:
    mailman.add("choir", acceptable_aliases="x@y", description=7, display_name=None, advertised="no",
                allow_list_posts=None, default_member_action=["x"], reply_to_address=3)  # fmt: skip

    assert 0 == run_import().exit_code
    assert "The list choir" == lists_of(site)["choir"].about


def test_words_that_other_readers_take_for_something_else_are_quoted(
    site: Path, mailman: Lists, run_import: Import
) -> None:
    for name in ("no", "2026", "1e3", "parts"):
        mailman.add(name, description='a "quoted" \\ word: #1\x1b[31m')
    mailman.members += [
        ("parts@lists.example.org", f"{name}@lists.example.org", "member", None) for name in ("no", "2026", "1e3")
    ]

    assert (0, "") == ((said := run_import()).exit_code, said.stderr)
    assert {"no", "2026", "1e3"} == set(lists_of(site)["parts"].includes)
    assert 'a "quoted" \\ word: #1 [31m' == lists_of(site)["parts"].about


def test_a_wrong_password_is_told_and_never_shown(site: Path, mailman: Lists, run_import: Import) -> None:
    (site.parent.parent / "password").write_text("wrong but secret")

    said = run_import()

    assert 69 == said.exit_code
    assert "refuses this user or password (HTTP 401)" in said.stderr
    assert "wrong but secret" not in said.output
    assert PASSWORD not in said.output


def test_a_password_file_that_all_can_read_is_warned_of(site: Path, mailman: Lists, run_import: Import) -> None:
    (site.parent.parent / "password").chmod(0o644)
    assert "can be read by every user of the machine" in run_import().stderr


def test_without_anybody_to_ask_a_password_file_is_wanted(site: Path) -> None:
    said = run("import", "mailman", "http://127.0.0.1:1/3.1", "--config", site)
    assert (2, True) == (said.exit_code, "give --password-file FILE" in said.stderr)


def test_a_folder_of_sympa_becomes_files_and_drifts(site: Path, tmp_path: Path) -> None:
    place = write_lists(tmp_path / "list_data")
    password = tmp_path / "unused"
    password.touch()

    said = run("import", "sympa", place, "--config", site)

    assert (0, "") == (said.exit_code, said.stderr)
    found = lists_of(site)
    assert ("choir-request@lists.example.org", "sympa") == (found["choir"].contact, found["choir"].manager.value)
    assert (ListKind.ANNOUNCE, "choir") == (found["news"].kind, found["news"].discussion)
    assert ({"choir", "news"}, Audience.CLOSED) == (set(found["everybody"].includes), found["everybody"].audience)
    assert 0 == run("check", "--config", site).exit_code
    assert 0 == run("import", "sympa", place, "--check", "--config", site).exit_code

    (place / "lists.example.org" / "board" / "config").write_text("subject x\n\nstatus closed\n")
    (place / "lists.example.org" / "choir" / "config").write_text(
        DISCUSSION.replace("privateoreditorkey", "newsletter")
    )
    archive = tmp_path / "lists.tar.gz"
    archive.write_bytes(packed(place))
    said = run("import", "sympa", archive, "--check", "--config", site)
    assert (1, "") == (said.exit_code, said.stderr)
    assert [
        "lists/board.yaml: Sympa has no list board@lists.example.org.",
        "lists/choir.yaml: the kind is discussion here, and announce for Sympa.",
    ] == said.stdout.splitlines()
    one = run("import", "sympa", place / "lists.example.org" / "news" / "config", "--check", "--config", site)
    assert (0, "1 list of Sympa: all as in lists/\n") == (one.exit_code, one.output)


def test_an_archive_on_a_web_server_is_read_with_a_password(site: Path, tmp_path: Path) -> None:
    octets = packed(write_lists(tmp_path / "list_data"))
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)

    def handle(request) -> None:  # type: ignore[no-untyped-def]
        send(request, 200 if request.headers["Authorization"] == AUTHORIZATION else 401, octets)

    with web_server(handle) as url:
        place = f"{url}/lists.tar.gz"
        refused = run("import", "sympa", place, "--config", site)
        taken = run(
            "import", "sympa", place, "--user", USER, "--password-file", password, "--config", site
        )  # fmt: skip

    assert (69, True) == (refused.exit_code, "wants a user and a password" in refused.stderr)
    assert (0, "4 lists of Sympa, 4 written.") == (taken.exit_code, taken.stdout.splitlines()[-1])
