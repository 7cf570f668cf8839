"""The roster and stock phrases in a running guard: a broken one keeps its last good version, as list files do."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpguard.config.in_force import InForce, Standing, UnusableSettingsError
from smtpguard.config.problems import format_problem
from tests.config.test_in_force import SITE, Place, a_list, kept

MEMBERS = SITE + "roster: members/roster.txt\n"
ANNA, BEN, CLARA = (f"{each}@example.org\n" for each in ("anna", "ben", "clara"))


class Members(Place):
    """A folder of settings with a roster."""

    def roster(self, text: str, name: str = "members/roster.txt") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Members:
    made = Members(tmp_path)
    made.write("smtpguard.yaml", MEMBERS)
    made.write("berlin", a_list("berlin"))
    made.roster(ANNA)
    return made


def names(standing: Standing) -> set[str] | None:
    roster = standing.policy.roster
    return None if roster is None else {local for local, _ in roster}


def test_a_change_of_the_roster_counts_when_the_files_are_read_again(place: Members) -> None:
    in_force = place.started()
    place.roster(ANNA + BEN)

    standing = in_force.renew()

    assert {"anna", "ben"} == names(standing)
    assert ("members/roster.txt",) == standing.changed
    assert ("smtpguard.yaml", "lists/berlin.yaml", "members/roster.txt") == standing.names
    assert () == in_force.renew().changed


@pytest.mark.parametrize("text", ["ben\n", "", "anna@example.org ben@example.org\n", None])
def test_a_broken_roster_keeps_its_version_and_other_files_load(place: Members, text: str | None) -> None:
    in_force = place.started()
    path = place.roster(text or "")
    if text is None:
        path.unlink()
    place.write("berlin", a_list("berlin", about="New"))

    standing = in_force.renew()

    assert {"anna"} == names(standing)
    assert ["New"] == [each.about for each in standing.policy.lists]
    assert ["members/roster.txt"] == kept(standing)
    assert not standing.kept[0].is_new
    assert standing.kept[0].contact is None  # so the site's is told
    assert all(
        "@example" not in format_problem(each).replace("name@example.org", "") for each in standing.kept[0].problems
    )
    place.roster(BEN)
    assert {"ben"} == names(in_force.renew())


def test_over_a_restart_as_well(place: Members) -> None:
    place.started()
    place.roster("ben\n")
    again = InForce(place.site)

    standing = again.start()

    assert {"anna"} == names(standing)
    assert ["members/roster.txt"] == kept(standing)
    place.roster(BEN)
    assert {"ben"} == names(again.renew())


def test_at_the_very_first_start_a_broken_roster_ends_it(place: Members) -> None:
    place.roster("anna\n")

    with pytest.raises(UnusableSettingsError) as caught:
        InForce(place.site).start()

    assert ["members/roster.txt"] == [each.file for each in caught.value.problems]


def test_a_roster_that_is_named_for_the_first_time_and_broken_keeps_the_former_settings(place: Members) -> None:
    place.write("smtpguard.yaml", SITE)
    in_force = place.started()
    place.roster("anna\n")
    place.write("smtpguard.yaml", MEMBERS.replace("Example Union", "Union"))

    standing = in_force.renew()

    assert "Example Union" == standing.settings.organisation
    assert names(standing) is None
    assert {"smtpguard.yaml": False, "members/roster.txt": True} == {each.name: each.is_new for each in standing.kept}
    (site,) = (each for each in standing.kept if each.name == "smtpguard.yaml")
    assert ['"roster.txt" cannot be used (see there). Until that is mended, the former settings stay.'] == [
        each.text for each in site.problems
    ]
    place.roster(ANNA)
    mended = in_force.renew()
    assert ("Union", {"anna"}, ()) == (mended.settings.organisation, names(mended), mended.kept)


def test_another_roster_takes_the_place_of_the_first(place: Members) -> None:
    in_force = place.started()
    place.roster(BEN, "new.txt")
    place.write("smtpguard.yaml", MEMBERS.replace("members/roster.txt", "new.txt"))

    standing = in_force.renew()
    in_force.save()

    assert ({"ben"}, ()) == (names(standing), standing.removed)
    assert "members/roster.txt" not in standing.names
    assert [place.folder / "new.txt"] == [*in_force.named]
    place.roster("nobody\n")  # which is nobody's business any more
    assert [] == kept(in_force.renew())
    assert 1 == len([*(place.copies / "named").iterdir()])


def test_a_roster_that_is_named_no_more_counts_no_more(place: Members) -> None:
    in_force = place.started()
    place.write("smtpguard.yaml", SITE)

    standing = in_force.renew()
    in_force.save()

    assert names(standing) is None
    assert () == standing.removed == standing.kept
    assert [] == [*(place.copies / "named").iterdir()]


def test_the_roster_of_a_site_file_that_is_broken_can_change(place: Members) -> None:
    in_force = place.started()
    place.write("smtpguard.yaml", SITE + "call: [\n")
    place.roster(BEN)

    standing = in_force.renew()

    assert {"ben"} == names(standing)
    assert ["smtpguard.yaml"] == kept(standing)
    place.roster(CLARA)
    again = InForce(place.site).start()
    assert {"clara"} == names(again)
    assert ["smtpguard.yaml"] == kept(again)


def test_while_a_site_file_waits_the_roster_in_force_and_the_new_one_are_looked_at(place: Members) -> None:
    in_force = place.started()
    place.roster("ben\n", "new.txt")
    place.write("smtpguard.yaml", MEMBERS.replace("members/roster.txt", "new.txt"))
    assert {"smtpguard.yaml", "new.txt"} == set(kept(in_force.renew()))
    place.roster(CLARA)

    standing = in_force.renew()

    assert {"clara"} == names(standing)
    assert {place.folder / "new.txt", place.folder / "members" / "roster.txt"} == {*in_force.named}
    place.roster(BEN, "new.txt")
    assert {"ben"} == names(in_force.renew())


def test_a_list_that_is_put_on_the_roster_keeps_the_former_roster(place: Members) -> None:
    in_force = place.started()
    place.roster(ANNA + "berlin@lists.example.org\n")

    standing = in_force.renew()

    assert {"anna"} == names(standing)
    assert ["members/roster.txt"] == kept(standing)
    assert ["berlin"] == [each.id for each in standing.policy.lists]


def test_a_new_broken_file_beside_it_keeps_no_list_from_being_deleted(place: Members) -> None:
    in_force = place.started()
    place.write("press", a_list("press"))
    in_force.renew()
    place.write("smtpguard.yaml", MEMBERS + "stock: en.txt\n")
    place.remove("press")

    standing = in_force.renew()

    assert ["berlin"] == [each.id for each in standing.policy.lists]
    assert {"smtpguard.yaml", "en.txt"} == set(kept(standing))


def test_stock_phrases_are_kept_in_the_same_way(place: Members) -> None:
    place.write("smtpguard.yaml", MEMBERS + "stock: [en.txt, de.txt]\n")
    place.roster("With kind regards from us\n", "en.txt")
    place.roster("Mit besten Grüßen vom Vorstand\n", "de.txt")
    in_force = place.started()
    place.roster("x" * 3000, "en.txt")
    place.roster("Mit besten Grüßen aus Berlin\n", "de.txt")

    standing = in_force.renew()
    in_force.save()

    assert ("With kind regards from us", "Mit besten Grüßen aus Berlin") == standing.policy.stock
    assert ["en.txt"] == kept(standing)
    again = InForce(place.site).start()
    assert standing.policy.stock == again.policy.stock


def test_copies_are_the_guard_s_own(place: Members) -> None:
    in_force = place.started()
    (copy,) = (place.copies / "named").iterdir()

    assert ANNA == copy.read_text()
    assert 0o600 == copy.stat().st_mode & 0o777
    assert 0o700 == copy.parent.stat().st_mode & 0o777 == (place.copies.stat().st_mode & 0o777)
    copy.unlink()
    copy.parent.rmdir()
    in_force.save()
    assert ANNA == copy.read_text()
