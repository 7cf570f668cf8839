"""What `smtpguard replay` makes of archives: which mails there are, when they came in, and what becomes of them."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpguard.tools.replay.chronology import MOMENT, Dated, in_order_of_time
from smtpguard.tools.replay.gathering import Source
from smtpguard.tools.replay.playing import Unjudged
from smtpguard.tools.replay.posts import as_submitted
from smtpguard.tools.replay.tallies import Effect
from smtpguard.verdict import Action
from tests.archives.posts import NOW, from_line, maildir, mboxrd, post, text
from tests.tools.replays import BOTH, FIRST, HOUR, fates, gathered, mbox, of_list, replayed, rows
from tests.tools.site import list_text, write_site


def test_a_cross_post_counts_for_its_lists_its_row_and_its_month(site: Path, tmp_path: Path) -> None:
    archive = mbox(tmp_path / "a", of_list("berlin", 1, FIRST), of_list("berlin", 2, FIRST + 40 * 24 * HOUR, to=BOTH))

    (tally,) = replayed(site, archive).tallies

    assert {Effect.PASSED: 1, Effect.HELD: 1} == tally.total
    assert {Effect.PASSED: 1, Effect.HELD: 1} == tally.lists["berlin"]
    assert {Effect.HELD: 1} == tally.lists["press"]
    assert {"12-02": {Effect.HELD: 1}} == tally.rows
    assert {"2025-03": {Effect.PASSED: 1}, "2025-04": {Effect.HELD: 1}} == tally.months
    assert {("berlin", "12-02", "2025-04"), ("press", "12-02", "2025-04")} == {each[:3] for each in tally.cells}


def test_a_mail_that_two_archives_have_is_one_mail(site: Path, tmp_path: Path) -> None:
    # Neither copy names the other list: it was in Bcc.
    one = mbox(tmp_path / "one", of_list("berlin", 1, FIRST))
    other = mbox(tmp_path / "other", of_list("press", 1, FIRST, to="berlin@lists.example.org"))

    replay = replayed(site, one, other, one)

    assert 1 == replay.mails
    assert [0, 1, 1] == [each.twice for each in replay.archives]
    (case,) = replay.alarmed
    assert {"12-10"} <= rows(case.fates[0])


def test_a_mail_that_goes_to_a_second_list_an_hour_later_is_known_whatever_archive_comes_first(
    site: Path, tmp_path: Path
) -> None:
    first = mbox(tmp_path / "first", of_list("berlin", 1, FIRST, text(7)))
    later = mbox(tmp_path / "later", of_list("press", 2, FIRST + HOUR, text(7)))

    found = fates(site, later, first)

    assert set() == rows(found["1@example.org"])
    assert {"12-12"} == rows(found["2@example.org"])
    assert ["1@example.org", "2@example.org"] == [*found]


def test_the_memory_of_the_configuration_counts(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text() + "remember: none\n")
    first = mbox(tmp_path / "first", of_list("berlin", 1, FIRST, text(7)))
    later = mbox(tmp_path / "later", of_list("press", 2, FIRST + HOUR, text(7)))

    assert set() == rows(fates(site, first, later)["2@example.org"])


def test_what_is_older_than_the_window_is_forgotten(site: Path, tmp_path: Path) -> None:
    archive = mbox(
        tmp_path / "a",
        of_list("berlin", 1, FIRST, text(7)),
        of_list("press", 2, FIRST + 8 * 24 * HOUR, text(7)),
    )

    assert set() == rows(fates(site, archive)["2@example.org"])


def test_what_is_held_counts_as_sent_in_the_end(site: Path, tmp_path: Path) -> None:
    # Its sender has said SEND, so that the answers may go to both lists (12-21).
    answer = of_list("berlin", 2, FIRST + HOUR, None, "In-Reply-To: <1@example.org>", to=BOTH)
    archive = mbox(tmp_path / "a", of_list("berlin", 1, FIRST, to=BOTH), answer)

    found = fates(site, archive)

    assert {"12-02"} == rows(found["1@example.org"])
    assert set() == rows(found["2@example.org"])


def test_an_answer_comes_after_what_it_answers_whatever_its_clock_says(tmp_path: Path) -> None:
    answer = of_list("berlin", 2, FIRST - HOUR, None, "References: <0@example.org> <1@example.org>")
    archive = mbox(tmp_path / "a", answer, of_list("berlin", 1, FIRST))

    found = gathered(tmp_path, archive).entries

    assert [("<1@example.org>", FIRST), ("<2@example.org>", FIRST + timedelta(seconds=MOMENT))] == [
        (each.message_id, each.when) for each in found
    ]


_IDS = st.integers(0, 8).map(lambda number: bytes([number]))
_MAILS = st.lists(
    st.builds(Dated, st.floats(0, 3_000_000), _IDS | st.none(), st.lists(_IDS, max_size=3).map(tuple)),
    max_size=20,
    unique_by=lambda each: each.id or object(),
)


@given(_MAILS)
def test_every_mail_has_its_place_and_time_never_goes_back(mails: list[Dated]) -> None:
    found = [*in_order_of_time(mails)]

    assert [*range(len(mails))] == sorted(number for number, _ in found)
    assert all(one <= other for (_, one), (_, other) in pairwise(found))


@given(_MAILS)
def test_where_no_mails_answer_each_other_each_comes_behind_what_it_answers_shortly_before(mails: list[Dated]) -> None:
    # Only those further on in the list may be answered: no circles.
    place = {each.id: number for number, each in enumerate(mails) if each.id is not None}
    mails = [
        each._replace(answers=tuple(one for one in each.answers if place.get(one, -1) > number))
        for number, each in enumerate(mails)
    ]
    came = {number: order for order, (number, _) in enumerate(in_order_of_time(mails))}

    for number, mail in enumerate(mails):
        for each in mail.answers:
            if mails[place[each]].when - mail.when < 86_400:
                assert came[place[each]] < came[number]


def test_a_mail_without_a_date_comes_behind_the_one_before_it(tmp_path: Path) -> None:
    archive = mbox(
        tmp_path / "a",
        of_list("berlin", 0, "no date"),  # type: ignore[arg-type]
        of_list("berlin", 1, FIRST),
        of_list("berlin", 2, "no date"),  # type: ignore[arg-type]
        of_list("berlin", 3, FIRST - HOUR),
    )

    found = gathered(tmp_path, archive)

    assert ["<3@example.org>", "<1@example.org>", "<2@example.org>"] == [each.message_id for each in found.entries]
    assert 1 == found.archives[0].undated


@pytest.mark.parametrize("kind", ["mbox", "mbox.gz", "maildir", "eml"])
def test_whatever_remember_reads_can_be_replayed(site: Path, tmp_path: Path, kind: str) -> None:
    mails = [of_list("berlin", number, FIRST + number * HOUR, to=BOTH) for number in range(2)]
    path = tmp_path / kind
    if kind == "maildir":
        maildir(path, mails)
    elif kind == "eml":
        path.mkdir()
        for number, each in enumerate(mails):
            (path / f"{number}.eml").write_bytes(each)
    else:
        path.write_bytes(gzip.compress(mboxrd(mails)) if kind.endswith("gz") else mboxrd(mails))

    replay = replayed(site, path)

    assert 2 == len(replay.alarmed)
    positions = [each.entry.position for each in replay.alarmed]
    assert positions == {
        "maildir": [f"{int((NOW - timedelta(days=2)).timestamp()) + number}.M{number}P1.host" for number in range(2)],
        "eml": ["0.eml", "1.eml"],
    }.get(kind, ["1", "2"])


def without_list_id(mail: bytes) -> bytes:
    return mail.replace(b"List-Id: <berlin.lists.example.org>\n", b"")


@pytest.mark.parametrize("name", ["press.mbox", "press@lists.example.org.mbox", "press.mbox/press.mbox", "PRESS.txt"])
def test_the_list_of_an_archive_is_told_by_its_name(site: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    archive = mbox(tmp_path / name, without_list_id(post(1, FIRST, to="undisclosed-recipients:;")))

    found = fates(site, archive)["1@example.org"]

    assert not isinstance(found, Unjudged)
    assert ("press",) == found.lists


def test_the_list_of_an_archive_can_be_said(site: Path, tmp_path: Path) -> None:
    archive = mbox(tmp_path / "2025-March.txt", without_list_id(post(1, FIRST, to="undisclosed-recipients:;")))

    assert Unjudged.NO_LIST is fates(site, archive)["1@example.org"]
    said = fates(site, Source(archive, "press@lists.example.org"))["1@example.org"]
    assert not isinstance(said, Unjudged)
    assert ("press",) == said.lists


def test_addresses_that_an_archive_hides_from_robots_are_read(site: Path, tmp_path: Path) -> None:
    # Mailman 2 (Pipermail) writes no To and no List-Id.
    def mail(number: int, when: datetime) -> bytes:
        lines = (
            "From: anna at example.org (Anna Ash)",
            f"Date: {when:%a, %d %b %Y %H:%M:%S +0000}",
            "Subject: [Berlin] Meeting",
            f"Message-ID: <{number}@example.org>",
        )
        return from_line(when) + "\n".join((*lines, "", text(7), "\n")).encode()

    berlin, press = tmp_path / "berlin.txt", tmp_path / "press.txt"
    berlin.write_bytes(mail(1, FIRST))
    press.write_bytes(mail(2, FIRST + HOUR))

    # The same account, so that the second one is known.
    assert "12-12" in rows(fates(site, berlin, press)["2@example.org"])


def test_the_author_is_known_where_the_list_manager_has_put_the_list_into_from(site: Path, tmp_path: Path) -> None:
    def munged(name: str, number: int, when: datetime) -> bytes:
        mail = of_list(name, number, when, text(7), "Reply-To: Anna Ash <anna@example.org>")
        return mail.replace(b"From: anna@example.org", f"From: Anna via X <{name}@lists.example.org>".encode())

    archive = mbox(tmp_path / "a", munged("berlin", 1, FIRST), munged("press", 2, FIRST + HOUR))

    assert {"12-12"} == rows(fates(site, archive)["2@example.org"])


def test_what_a_list_manager_adds_is_no_part_of_the_mail() -> None:
    added = (
        b"List-Post: <mailto:a@b.example>\nPrecedence: list\nReceived: from x\n\tby y; Mon\nX-BeenThere: a@b.example\n"
    )
    footer = b"_______________________________________________\nA mailing list\nhttps://lists.example.org\n"
    mail = b"From: anna@example.org\nSubject: One\n\ttwo\n\nText\n"

    assert b"From: anna@example.org\r\nSubject: One\r\n\ttwo\r\n\r\nText\r\n" == as_submitted(added + mail + footer)


def test_mail_of_strangers_is_not_judged_where_there_is_a_roster(site: Path, tmp_path: Path) -> None:
    (site.parent / "roster.txt").write_text("anna@example.org\n")
    site.write_text(site.read_text() + "roster: roster.txt\n")
    archive = mbox(
        tmp_path / "a",
        of_list("berlin", 1, FIRST, to=BOTH),
        of_list("berlin", 2, FIRST, to=BOTH).replace(b"anna@", b"stranger@"),
    )

    found = fates(site, archive)

    assert {"12-02"} == rows(found["1@example.org"])
    assert Unjudged.OUTSIDER is found["2@example.org"]


def test_what_lists_only_observe_is_told_apart(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text() + "defaults: {on_alarm: observe}\n")
    archive = mbox(tmp_path / "a", of_list("berlin", 1, FIRST, to=BOTH))

    replay = replayed(site, archive)

    assert {Effect.OBSERVED: 1} == replay.tallies[0].total
    assert [Action.PASS] == [each.action for case in replay.alarmed for each in case.fates]  # type: ignore[union-attr]


def test_two_configurations_differ_by_the_mails_that_fare_differently(site: Path, tmp_path: Path) -> None:
    other = write_site(tmp_path / "other")
    other.write_text(other.read_text() + "defaults: {on_alarm: refuse}\n")
    (other.parent / "lists" / "press.yaml").write_text(list_text("press", "crosspost_with: [berlin]"))
    (other.parent / "lists" / "berlin.yaml").write_text(list_text("berlin", "crosspost_with: [press]"))
    archive = mbox(
        tmp_path / "a",
        of_list("berlin", 1, FIRST),
        of_list("berlin", 2, FIRST + HOUR, to=BOTH),
        of_list("harbour", 3, FIRST + 2 * HOUR, to="harbour@lists.example.org, berlin@lists.example.org"),
    )

    replay = replayed([site, other], archive)

    assert [("2", Effect.HELD, Effect.PASSED), ("3", Effect.HELD, Effect.REFUSED)] == [
        (each.entry.position, *map(_effect, each.fates)) for each in replay.differing
    ]
    assert () == replayed([site, site], archive).differing


def test_what_one_configuration_counts_and_the_other_lets_pass_is_a_difference(site: Path, tmp_path: Path) -> None:
    other = write_site(tmp_path / "other")
    site.write_text(site.read_text() + "defaults: {on_alarm: observe}\n")
    (other.parent / "lists" / "press.yaml").write_text(list_text("press", "crosspost_with: [berlin]"))
    (other.parent / "lists" / "berlin.yaml").write_text(list_text("berlin", "crosspost_with: [press]"))

    replay = replayed([site, other], mbox(tmp_path / "a", of_list("berlin", 1, FIRST, to=BOTH)))

    assert [[Effect.OBSERVED, Effect.PASSED]] == [[_effect(one) for one in each.fates] for each in replay.differing]


def _effect(fate: object) -> Effect:
    from smtpguard.tools.replay.tallies import effect_of

    return effect_of(fate)  # type: ignore[arg-type]


def test_an_archive_that_breaks_off_is_replayed_as_far_as_it_can_be_read(site: Path, tmp_path: Path) -> None:
    whole = gzip.compress(mboxrd([of_list("berlin", number, FIRST + number * HOUR, to=BOTH) for number in range(200)]))
    broken = tmp_path / "a.mbox.gz"
    broken.write_bytes(whole[: len(whole) // 2])

    replay = replayed(site, broken, tmp_path / "absent", mbox(tmp_path / "b", of_list("press", 900, FIRST)))

    assert ["the compressed file ends in the middle", "No such file or directory", None] == [
        each.trouble for each in replay.archives
    ]
    assert 20 < replay.archives[0].mails < 200
    assert replay.mails == replay.archives[0].mails + 1
