"""Which version of a file counts: the newest that can be used, else its last good one, whatever the others say."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from smtpguard.config.in_force import InForce, Standing, UnusableSettingsError

SITE = """\
organisation: Example Union
address: mailcheck@check.example.org
contact: it@example.org
listeners: [{kind: submission, listen: "127.0.0.1:0", tls: none}]
upstream: {server: "127.0.0.1:25", tls: none}
outbox: {server: "127.0.0.1:26", user: mailcheck}
list_domains: [lists.example.org]
state_dir: state
"""


def a_list(name: str, more: str = "", about: str = "About it") -> str:
    text = f"list: {name}@lists.example.org\nmanager: mailman3\nabout: {about}\n"
    return f"{text}contact: {name}-owner@lists.example.org\n{more}"


@dataclass
class Place:
    """A folder of settings, whose files get times of their own: the newest is the one written last."""

    folder: Path
    time: int = 1_700_000_000

    @property
    def site(self) -> Path:
        return self.folder / "smtpguard.yaml"

    @property
    def copies(self) -> Path:
        return self.folder / "state" / "last-good"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name if name.endswith(".yaml") else self.folder / "lists" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.time += 10
        os.utime(path, (self.time, self.time))
        return path

    def remove(self, name: str) -> None:
        (self.folder / "lists" / f"{name}.yaml").unlink()

    def started(self) -> InForce:
        """The settings of a guard that has started with what lies there, and has made its copies."""
        in_force = InForce(self.site)
        in_force.start()
        in_force.save()
        return in_force


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write("smtpguard.yaml", SITE)
    for name in ("berlin", "press"):
        made.write(name, a_list(name))
    return made


def abouts(standing: Standing) -> dict[str, str]:
    return {each.id: each.about for each in standing.policy.lists}


def kept(standing: Standing) -> list[str]:
    return [each.name for each in standing.kept]


def test_a_change_counts_when_the_files_are_read_again(place: Place) -> None:
    in_force = place.started()
    place.write("berlin", a_list("berlin", about="News"))

    standing = in_force.renew()

    assert {"berlin": "News", "press": "About it"} == abouts(standing)
    assert ("lists/berlin.yaml",) == standing.changed
    assert () == in_force.renew().changed


def test_a_broken_file_keeps_its_version_and_others_load(place: Place) -> None:
    in_force = place.started()
    place.write("berlin", a_list("berlin", "aliases: [berlin\n"))
    place.write("press", a_list("press", about="New"))

    standing = in_force.renew()

    assert {"berlin": "About it", "press": "New"} == abouts(standing)
    assert ["lists/berlin.yaml"] == kept(standing)
    assert "lists/berlin.yaml" == standing.kept[0].problems[0].file
    assert "berlin-owner@lists.example.org" == str(standing.kept[0].contact)
    place.write("berlin", a_list("berlin", about="Mended"))
    assert {"berlin": "Mended", "press": "New"} == abouts(in_force.renew())


def test_a_file_that_cannot_be_read_keeps_its_version(place: Place) -> None:
    in_force = place.started()
    place.remove("berlin")
    (place.folder / "lists" / "berlin.yaml").symlink_to("/etc/hostname")

    standing = in_force.renew()

    assert {"berlin", "press"} == set(abouts(standing))
    assert "link" in standing.kept[0].problems[0].text


def test_a_file_that_is_deleted_takes_its_list_away(place: Place) -> None:
    in_force = place.started()
    place.remove("berlin")

    standing = in_force.renew()

    assert {"press"} == set(abouts(standing))
    assert ("lists/berlin.yaml",) == standing.removed
    in_force.save()
    assert ["press.yaml"] == [each.name for each in (place.copies / "lists").iterdir()]


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_folder_that_vanished_as_a_whole_takes_no_list_away(place: Place, how: str) -> None:
    in_force = place.started()
    shutil.rmtree(place.folder / "lists")
    if how == "empty":
        (place.folder / "lists").mkdir()

    assert {"berlin", "press"} == set(abouts(in_force.renew()))
    assert {"berlin", "press"} == set(abouts(InForce(place.site).start()))  # nor at a start


def test_all_lists_can_be_taken_away_by_leaving_a_word_about_it(place: Place) -> None:
    in_force = place.started()
    shutil.rmtree(place.folder / "lists")
    (place.folder / "lists").mkdir()
    (place.folder / "lists" / "README").write_text("no lists any more")

    assert {} == abouts(in_force.renew())


def test_a_renamed_file_with_a_mistake_keeps_the_old_list(place: Place) -> None:
    in_force = place.started()
    place.remove("berlin")
    place.write("berlin-mitte", "list: berlin@lists.example.org\nmanagr: mailman3\n")

    standing = in_force.renew()

    assert {"berlin", "press"} == set(abouts(standing))
    assert ["lists/berlin.yaml", "lists/berlin-mitte.yaml"] == kept(standing)
    assert [False, True] == [each.is_new for each in standing.kept]
    place.write("berlin-mitte", a_list("berlin"))
    assert {"berlin-mitte", "press"} == set(abouts(in_force.renew()))


def test_a_list_can_be_renamed_that_another_file_names(place: Place) -> None:
    place.write("press", a_list("press", "includes: [berlin]\ncrosspost_with: [berlin]\n"))
    place.write("berlin", a_list("berlin", "crosspost_with: [press]\n"))
    in_force = place.started()
    place.remove("berlin")
    place.write("hamburg", a_list("hamburg", "crosspost_with: [press]\nwas: berlin\n"))

    standing = in_force.renew()

    assert () == standing.kept
    assert {"hamburg", "press"} == set(abouts(standing))
    assert "berlin is called hamburg now" in "".join(each.text for each in standing.warnings)
    # Nobody gets what was meant for another by saying that he is that other.
    assert not standing.policy.allowed(standing.policy.lists)


def test_a_folder_in_a_file_s_place_takes_no_list_away(place: Place) -> None:
    in_force = place.started()
    place.remove("berlin")
    (place.folder / "lists" / "berlin.yaml").mkdir()

    standing = in_force.renew()

    assert {"berlin", "press"} == set(abouts(standing))
    assert ["lists/berlin.yaml"] == [each.name for each in standing.kept]


def test_of_two_files_that_claim_one_address_the_newer_change_waits(place: Place) -> None:
    in_force = place.started()
    claim = "aliases: [all@lists.example.org]\n"
    place.write("press", a_list("press", claim))
    place.write("berlin", a_list("berlin", claim, about="Newer"))

    standing = in_force.renew()

    assert {"berlin": "About it", "press": "About it"} == abouts(standing)
    assert "press" == standing.policy.lists_of([_address("all@lists.example.org")])[0].id
    assert ["lists/berlin.yaml"] == kept(standing)
    assert "already belongs" in standing.kept[0].problems[0].text


def test_an_address_that_changes_hands_in_one_step_is_no_contradiction(place: Place) -> None:
    claim = "aliases: [all@lists.example.org]\n"
    place.write("press", a_list("press", claim))
    in_force = place.started()
    place.write("berlin", a_list("berlin", claim))
    place.write("press", a_list("press"))

    standing = in_force.renew()

    assert [] == kept(standing)
    assert "berlin" == standing.policy.lists_of([_address("all@lists.example.org")])[0].id


def test_an_address_that_changes_hands_beside_somebody_elses_mistake_does_so_all_the_same(place: Place) -> None:
    claim = "aliases: [all@lists.example.org]\n"
    place.write("press", a_list("press", claim))
    place.write("third", a_list("third"))
    in_force = place.started()
    place.write("berlin", a_list("berlin", claim))
    place.write("press", a_list("press"))
    place.write("third", a_list("third", "crosspost_with: [nowhere]\n"))

    standing = in_force.renew()

    assert ["lists/third.yaml"] == kept(standing)
    assert "berlin" == standing.policy.lists_of([_address("all@lists.example.org")])[0].id


def test_a_broken_site_file_keeps_its_version_and_lists_load(place: Place) -> None:
    in_force = place.started()
    place.write("smtpguard.yaml", SITE + "organisation: twice\n")
    place.write("berlin", a_list("berlin", about="New"))

    standing = in_force.renew()

    assert "Example Union" == standing.settings.organisation
    assert "New" == abouts(standing)["berlin"]
    assert ["smtpguard.yaml"] == kept(standing)
    assert "it@example.org" == str(standing.kept[0].contact)


def test_what_is_read_at_start_only_stays_and_is_named(place: Place) -> None:
    in_force = place.started()
    place.write("smtpguard.yaml", SITE.replace("127.0.0.1:25", "127.0.0.1:2525").replace("Example Union", "New"))

    standing = in_force.renew()

    assert "New" == standing.settings.organisation
    assert standing.settings.upstream is not None
    assert 25 == standing.settings.upstream.server.port  # type: ignore[union-attr]
    assert ("upstream",) == standing.needs_restart
    place.write("smtpguard.yaml", SITE)
    assert () == in_force.renew().needs_restart


def test_a_site_file_with_which_no_guard_could_start_is_not_taken(place: Place) -> None:
    in_force = place.started()
    place.write("smtpguard.yaml", SITE.replace("outbox:", "# outbox:"))

    standing = in_force.renew()

    assert ["smtpguard.yaml"] == kept(standing)
    assert '"outbox" is missing' in standing.kept[0].problems[0].text


@pytest.mark.parametrize(
    "broken",
    [
        "site.yaml: broken",
        "state_dir: state\nlist_domains: [x\n",
        "organisation: a\norganisation: b\nstate_dir: 'state'\n",
    ],
    ids=["no state_dir to be seen", "syntax", "twice"],
)
def test_a_broken_site_file_at_a_start_has_its_last_good_version(
    place: Place, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(place.folder / "state"))
    place.started()
    place.write("smtpguard.yaml", broken)

    standing = InForce(place.site).start()

    assert "Example Union" == standing.settings.organisation
    assert ["smtpguard.yaml"] == kept(standing)


def test_a_broken_list_file_at_a_start_has_its_last_good_version(place: Place) -> None:
    place.started()
    place.write("berlin", "list: berlin@lists.example.org\n")
    place.write("press", a_list("press", about="Newer"))

    standing = InForce(place.site).start()

    assert {"berlin": "About it", "press": "Newer"} == abouts(standing)
    assert ["lists/berlin.yaml"] == kept(standing)


def test_a_new_broken_file_does_not_keep_a_guard_from_starting_that_has_run_before(place: Place) -> None:
    place.started()
    place.write("third", "list: third@lists.example.org\n")

    standing = InForce(place.site).start()

    assert {"berlin", "press"} == set(abouts(standing))
    assert [("lists/third.yaml", True)] == [(each.name, each.is_new) for each in standing.kept]


@pytest.mark.parametrize("name", ["smtpguard.yaml", "berlin"])
def test_a_broken_file_at_the_first_start_is_fatal(place: Place, name: str) -> None:
    place.write(name, "list_domains: [lists.example.org\n")

    with pytest.raises(UnusableSettingsError) as raised:
        InForce(place.site).start()

    assert [each for each in raised.value.problems if each.file.endswith(f"{name.removesuffix('.yaml')}.yaml")]


def test_copies_of_another_site_file_are_not_taken(place: Place) -> None:
    place.started()
    other = place.site.rename(place.folder / "other.yaml")
    other.write_text(SITE + "organisation: twice\n")

    with pytest.raises(UnusableSettingsError):
        InForce(other).start()


def test_a_damaged_copy_of_a_list_in_force_is_fatal_if_its_file_is_broken(place: Place) -> None:
    place.started()
    place.write("berlin", "list: berlin@lists.example.org\n")
    (place.copies / "lists" / "berlin.yaml").write_text("")

    with pytest.raises(UnusableSettingsError):
        InForce(place.site).start()


def test_a_damaged_copy_does_no_harm_where_the_file_is_good(place: Place) -> None:
    place.started()
    (place.copies / "lists" / "berlin.yaml").unlink()
    (place.copies / "smtpguard.yaml").write_text("not this")

    assert {"berlin", "press"} == set(abouts(InForce(place.site).start()))


def test_copies_are_closed_to_others_and_only_changed_ones_are_written(place: Place) -> None:
    in_force = place.started()
    copies = {each: each.stat() for each in place.copies.rglob("*") if each.is_file()}
    assert {"smtpguard.yaml", "index.json", "berlin.yaml", "press.yaml"} == {each.name for each in copies}
    assert {0o600} == {each.st_mode & 0o777 for each in copies.values()}

    place.write("press", a_list("press", about="New"))
    in_force.renew()
    in_force.save()

    assert ["press.yaml"] == [each.name for each, old in copies.items() if each.stat().st_ino != old.st_ino]


def test_many_contradictions_are_decided_in_few_tries_and_always_alike(place: Place) -> None:
    for number in range(40):
        place.write(f"list{number}", a_list(f"list{number}"))
    in_force = place.started()
    for number in range(40):
        more = "aliases: [all@lists.example.org]\n" if number % 7 == 0 else ""
        place.write(f"list{number}", a_list(f"list{number}", more, about="New"))

    standing = in_force.renew()

    assert {f"lists/list{each}.yaml" for each in (7, 14, 21, 28, 35)} == set(kept(standing))
    assert 35 == list(abouts(standing).values()).count("New")


def _address(text: str):  # type: ignore[no-untyped-def]
    from smtpguard.mail.address import parse_address

    return parse_address(text)
