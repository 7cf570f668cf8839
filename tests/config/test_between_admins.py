"""T-50 to T-52: what the admin of one list can do to mail that is not to his list. Nothing.

Each test holds an organisation of three lists beside one whose file is anything; the judge is the one of `serve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from smtpguard.config.loading import Loaded, load
from smtpguard.evidence import NOTHING_KNOWN, EarlierPost, Evidence, Thread
from smtpguard.judgement import judge
from smtpguard.mail.address import Address, parse_address
from smtpguard.mail.message import Submission
from smtpguard.mail.parsing import parse_message
from smtpguard.policy import Policy
from smtpguard.verdict import Action, Verdict

NOW = datetime.now(UTC)
SOON = (NOW + timedelta(days=20)).date().isoformat()
SITE = """
list_domains: [lists.example.org]
list_addresses: [boats@example.org]
account_domain: example.org
address: mailcheck@check.example.org
desks: [trust@example.org]
accounts: {office: office-team@example.org, scanner: {mailbox: null, automatic: true}}
groups:
  crew@example.org: {expands: [boats, robin@example.org]}
  friends@example.org: {expands: [robin@example.org, anna@elsewhere.example]}
plus_addresses: true
defaults: {first_post: ask, burst: {posts: 2, within: 60m, do: ask}, visible_max: 3}
"""
OTHERS = {
    "boats": f"""
aliases: [boats@example.org]
crosspost_with: [oars]
topics: [boat, sail, rudder, mast, anchor, harbour, keel, crew]
exceptions: [{{until: {SOON}, crosspost_with: [trips], reason: Regatta}}]
""",
    "oars": """
crosspost_with: [boats]
kind: announce
posters: [robin]
discussion: trips
expires: 5d
""",
    "trips": f"""
includes: [boats]
on_alarm: observe
wrong_if: [{{subject_has: [rudder], use: boats}}]
exceptions: [{{until: {SOON}, crosspost_with: [boats], reason: Regatta}}]
tag: "[Trips]"
""",
}


def list_text(name: str, more: str = "") -> str:
    at = f"{name}@lists.example.org"
    return f"list: {at}\nmanager: mailman3\nabout: About {name}\ncontact: {name}-owner@lists.example.org\n{more}"


def organisation(folder: Path, mine: str) -> Loaded:
    """The organisation with `mine` as the text of the file of the list "mine"."""
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "smtpguard.yaml").write_text(SITE)
    for name, more in OTHERS.items():
        (folder / "lists" / f"{name}.yaml").write_text(list_text(name, more))
    (folder / "lists" / "mine.yaml").write_text(mine, encoding="utf-8")
    return load(folder / "smtpguard.yaml")


def address(text: str) -> Address:
    found = parse_address(text)
    assert found is not None
    return found


@dataclass(frozen=True)
class Mail:
    """A mail that has nothing to do with the list "mine"."""

    to: tuple[str, ...]
    subject: str = "Saturday"
    text: str = "Good morning,\n\nwe meet on Saturday at nine.\n"
    login: str = "robin"
    hidden: bool = False
    automatic: bool = False
    evidence: Evidence = NOTHING_KNOWN

    def submission(self, loaded: Loaded) -> Submission:
        """The same as a submission of the account."""
        assert loaded.directory is not None
        head = f"From: {self.login}@example.org\r\nSubject: {self.subject}\r\nMessage-ID: <1@example.org>\r\n"
        head += "" if self.hidden else f"To: {', '.join(self.to)}\r\n"
        head += "Auto-Submitted: auto-generated\r\n" if self.automatic else ""
        octets = (head + "\r\n" + self.text.replace("\n", "\r\n")).encode()
        account = loaded.directory.account(self.login)
        return Submission("1", account, tuple(map(address, self.to)), parse_message(octets), NOW, len(octets))


def verdict(mail: Mail, loaded: Loaded) -> Verdict:
    assert loaded.policy is not None
    return judge(mail.submission(loaded), mail.evidence, loaded.policy)


FORWARD = """Look at this.

---------- Forwarded message ----------
From: Anna <anna@elsewhere.example>
Date: Mon, 5 Oct 2026 10:00:00 +0200
Subject: Between us
To: robin@example.org

I would rather not say this on a list, but the harbour master has asked me twice now for the rent
that nobody seems to have paid since the spring. Please keep it to yourself.
"""
PLACES = (
    "boats@lists.example.org", "boats@example.org", "boats+x@lists.example.org", "oars@lists.example.org",
    "trips@lists.example.org", "crew@example.org", "friends@example.org", "trust@example.org", "robin@example.org",
    "kim@example.org", "anna@elsewhere.example", "boats-owner@lists.example.org", "oars-request@lists.example.org",
    "nobody@lists.example.org", "office-team@example.org",
)  # fmt: skip
WORDS = ("boat", "sail", "rudder", "mast", "paint", "brush", "colour", "ladder", "[Mine]", "[Trips]", "Re: paint")
PAINT = "We paint the hull on Saturday: bring a brush, a ladder, colour, tape, a bucket, rags, primer and varnish. "
EVIDENCE = (
    NOTHING_KNOWN,
    Evidence(posted_to=frozenset({"boats"})),
    Evidence(posted_to=frozenset()),
    Evidence(earlier=(EarlierPost(("boats",), 0.95, 60, NOW - timedelta(hours=2)),)),
    Evidence(earlier=(EarlierPost(("oars", "trips"), 0.95, 60, NOW - timedelta(days=2), taken=False),)),
    Evidence(thread=Thread(home="boats", recent=3)),
    Evidence(thread=Thread(home="trips", together=(frozenset({"trips", "boats"}),), narrowed_to="oars")),
)
MAILS = st.builds(
    Mail,
    to=st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True).map(tuple),
    subject=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    text=st.sampled_from([FORWARD, PAINT * 3, "Thanks.\n", "unsubscribe\n"]),
    login=st.sampled_from(["robin", "kim", "office", "scanner"]),
    hidden=st.booleans(),
    automatic=st.booleans(),
    evidence=st.sampled_from(EVIDENCE),
)

LISTS = st.sampled_from(["boats", "oars", "trips", "Boats", "boats@lists.example.org"] * 3 + ["mine", "gone"])
NAMES = st.sampled_from(
    ["mine@lists.example.org", "boats@lists.example.org", "boats+x@lists.example.org", "boats-owner@lists.example.org",
     "mine-too@lists.example.org", "boats@example.org", "robin@example.org", "kim@example.org",
     "office-team@example.org",
     "anna@elsewhere.example", "trust@example.org", "crew@example.org", "mailcheck@check.example.org",
     "*@lists.example.org", "@lists.example.org"]
)  # fmt: skip
ACCOUNTS = st.sampled_from(["robin", "kim", "office-team@example.org", "scanner", "boats@lists.example.org", "*"])
TEXTS = st.sampled_from(["", "yes", "x", "boats", "[Trips]", "Re:", "rudder", "12", "a: b", "“x”", "Zeile\nZwei"])
DURATIONS = st.sampled_from(["1s", "90m", "3d", "9d", "0s", "forever"])
BURSTS = st.fixed_dictionaries(
    {}, optional={"posts": st.integers(-1, 9), "within": DURATIONS, "do": st.sampled_from(["ask", "pass", "hold"])}
)
TOPICS = st.lists(st.sampled_from([*WORDS, "tape", "bucket", "rags", "primer", "varnish", "boat"]), max_size=12)
KEYS: Mapping[str, st.SearchStrategy[Any]] = {
    "aliases": st.lists(NAMES, max_size=2),
    "crosspost_with": st.lists(LISTS, max_size=3),
    "kind": st.sampled_from(["discussion", "announce"]),
    "posters": st.lists(ACCOUNTS, max_size=3),
    "discussion": LISTS,
    "includes": st.lists(LISTS, max_size=3, unique=True),
    "topics": TOPICS,
    "tag": TEXTS,
    "wrong_if": st.lists(
        st.fixed_dictionaries({"subject_has": st.lists(st.sampled_from(WORDS), max_size=3), "use": LISTS}), max_size=2
    ),
    "exceptions": st.lists(
        st.fixed_dictionaries(
            {
                "until": st.sampled_from([SOON, "2020-01-01", "tomorrow"]),
                "crosspost_with": st.lists(LISTS, max_size=2),
                "reason": TEXTS,
            }
        ),
        max_size=2,
    ),
    "automatic": st.lists(ACCOUNTS, max_size=2),
    "was": LISTS,
    "say": TEXTS,
    "call": TEXTS,
    "on_alarm": st.sampled_from(["hold", "refuse", "observe"]),
    "expires": DURATIONS,
    "first_post": st.sampled_from(["pass", "ask"]),
    "burst": BURSTS,
    "wrong_topic": st.sampled_from(["hold", "suggest", "off"]),
    "strict": st.booleans(),
    "adding_people": st.sampled_from(["pass", "ask"]),
    "encrypted": st.booleans(),
    # Keys of the site, and none at all.
    "desks": st.just([]),
    "crosspost_pairs": st.just([["boats", "trips"]]),
    "max_lists": st.just(9),
    "defaults": st.just({"on_alarm": "observe"}),
}


def sensible(said: dict[str, Any]) -> dict[str, Any]:
    """The same without what would keep a whole file from counting."""
    entries = [each for each in said.get("wrong_if", []) if each["subject_has"] and each["use"] not in ("mine", "gone")]
    running = [each for each in said.get("exceptions", []) if each["until"] == SOON and each["crosspost_with"]]
    announces = {"kind": "announce", "posters": said.get("posters") or ["kim"]}
    kept = {each: value for each, value in said.items() if each in KEYS and each not in OF_THE_SITE}
    changed = {
        "wrong_if": entries,
        "exceptions": running,
        **(announces if {"posters", "discussion"} & kept.keys() else {}),
    }
    must = {each: said[each] for each in ("list", "manager", "about", "contact")}
    return {**must, **kept, **changed, "list": "mine@lists.example.org"}


OF_THE_SITE = ("desks", "crosspost_pairs", "max_lists", "defaults")
# Most files have a few keys: one wrong key keeps the whole file from counting.
FILES = st.lists(st.sampled_from(sorted(KEYS)), max_size=5, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries(
        {
            "list": st.sampled_from(["mine@lists.example.org"] * 6 + ["boats@lists.example.org", "kim@example.org"]),
            "manager": st.sampled_from(["mailman3", "sympa", "ezmlm", "plain"]),
            "about": st.just("About mine"),
            "contact": st.just("kim@example.org"),
            **{each: KEYS[each] for each in keys},
        }
    )
)
SENSIBLE = FILES.map(sensible)
LOUD: dict[str, Any] = {
    "list": "mine@lists.example.org", "manager": "sympa", "about": "About mine", "contact": "kim@example.org",
    "aliases": ["sympa-mine@lists.example.org"], "crosspost_with": ["boats", "trips"], "kind": "announce",
    "posters": ["robin", "kim"], "discussion": "trips", "includes": ["boats", "oars", "trips"],
    "topics": ["paint", "brush", "ladder", "colour", "tape", "bucket", "rags", "primer", "varnish"], "tag": "Re:",
    "wrong_if": [{"subject_has": ["boat"], "use": "boats"}], "automatic": ["scanner", "robin"], "was": "gone",
    "on_alarm": "refuse", "expires": "1s", "first_post": "ask", "burst": {"posts": 1, "within": "3d", "do": "ask"},
    "wrong_topic": "hold", "strict": True, "adding_people": "ask", "encrypted": True,
    "exceptions": [{"until": SOON, "crosspost_with": ["oars", "boats"], "reason": "x"}],
}  # fmt: skip


def row_of(verdict: Verdict) -> str | None:
    """What decided. An umbrella says in its own file what lies below it, and then 12-04 or 12-05 says of several lists
    what 12-02 said before (SEMANTICS c1a): other words, the same outcome."""
    return "12-02" if verdict.decided_by in ("12-04", "12-05") else verdict.decided_by


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The organisation with a file that says nothing but what it must."""
    loaded = organisation(tmp_path_factory.mktemp("plain"), list_text("mine"))
    assert loaded.problems == ()
    return loaded


@given(mine=SENSIBLE | SENSIBLE | FILES, mails=st.lists(MAILS, min_size=1, max_size=6))
@example(mine=LOUD, mails=[Mail((each,), login=login) for each in PLACES for login in ("robin", "kim", "scanner")])
@example(mine=LOUD, mails=[Mail((each, "boats@lists.example.org"), "Re: paint boat", PAINT * 3) for each in PLACES])
@example(mine=LOUD, mails=[Mail((each,), "Saturday", PAINT * 3) for each in PLACES])
@example(mine=LOUD, mails=[Mail((each, "trips@lists.example.org"), text=FORWARD) for each in PLACES])
@settings(max_examples=3 * settings().max_examples, suppress_health_check=list(HealthCheck))
@pytest.mark.slow
def test_T_50_no_list_file_changes_what_happens_to_mail_to_other_lists_or_to_persons(
    tmp_path: Path, plain: Loaded, mine: dict[str, Any], mails: list[Mail]
) -> None:
    loaded = organisation(tmp_path, yaml.safe_dump(mine, allow_unicode=True))
    event("counts" if loaded.ok else "does not count")
    if not loaded.ok:
        # What contradicts the others is this file's own mistake: theirs are told nothing.
        assert {each.file for each in loaded.problems if each.is_error} <= {"lists/mine.yaml", *claimed(mine)}
        return

    for mail in mails:
        before, after = verdict(mail, plain), verdict(mail, loaded)
        assert (before.action, row_of(before)) == (after.action, row_of(after))
        assert account_of(mail, plain) == account_of(mail, loaded)


def claimed(mine: Mapping[str, Any]) -> set[str]:
    """Files that an umbrella over their umbrella, or a claim of a posting address, brings into it."""
    files = {f"lists/{each}.yaml" for each in OTHERS}
    return files if mine.get("includes") or mine["list"] == "boats@lists.example.org" else set()


def account_of(mail: Mail, loaded: Loaded) -> Any:
    assert loaded.directory is not None
    return loaded.directory.account(mail.login)


def test_such_a_file_does_change_what_happens_to_its_own_list(tmp_path: Path, plain: Loaded) -> None:
    loaded = organisation(tmp_path, yaml.safe_dump(LOUD))
    stranger = Mail(("mine@lists.example.org",), login="office")

    assert loaded.ok, loaded.problems
    assert verdict(stranger, plain).action is Action.PASS
    assert verdict(stranger, loaded).action is Action.REFUSE
    assert isinstance(loaded.policy, Policy)
    assert loaded.policy.by_id["mine"].is_poster(account_of(Mail(()), loaded))


PERSONS = ("office-team@example.org", "kim@example.org", "robin@example.org", "anna@elsewhere.example")


@pytest.mark.parametrize("key", ["list", "aliases"])
@pytest.mark.parametrize("taken", [*PERSONS, "trust@example.org", "crew@example.org", "mailcheck@check.example.org"])
def test_T_50_no_list_file_can_have_what_is_not_a_list_s(tmp_path: Path, key: str, taken: str) -> None:
    loaded = organisation(tmp_path, yaml.safe_dump({**LOUD, key: taken}))

    assert {each.file for each in loaded.problems if each.is_error} == {"lists/mine.yaml"}
    assert loaded.policy is None


@pytest.mark.parametrize("mate", ["boats", "oars", "trips"])
@pytest.mark.parametrize("key", ["crosspost_with", "exceptions", "includes", "discussion"])
def test_T_50_one_file_alone_opens_no_other_list(tmp_path: Path, plain: Loaded, mate: str, key: str) -> None:
    value: Any = [mate] if key in ("crosspost_with", "includes") else mate
    if key == "exceptions":
        value = [{"until": SOON, "crosspost_with": [mate], "reason": "x"}]
    said = {**LOUD, "on_alarm": "observe", "wrong_if": [], "crosspost_with": [], "exceptions": [], "includes": []}
    mine = {**said, "automatic": [], "posters": ["kim"], key: value}
    loaded = organisation(tmp_path, yaml.safe_dump(mine))
    mail = Mail(("mine@lists.example.org", f"{mate}@lists.example.org"))

    assert loaded.ok, loaded.problems
    before, after = verdict(mail, plain), verdict(mail, loaded)
    if mate == "trips":  # which only counts alarms, as this file does now
        assert {"12-02", "12-04"} & {each.id for each in after.observed}
    else:
        assert Action.PASS is not after.action
        assert before.action is after.action


def test_T_50_a_one_sided_exception_is_told_to_its_admin(tmp_path: Path) -> None:
    more = f"exceptions:\n  - {{until: {SOON}, crosspost_with: [oars, boats], reason: Regatta}}\n"
    loaded = organisation(tmp_path, list_text("mine", more))

    assert loaded.ok
    text = "only oars's admin can open oars for this: its file has no exception for mine."
    text += " Ask oars-owner@lists.example.org."
    assert [(each.file, each.line, each.text) for each in loaded.problems if "oars" in each.text] == [
        ("lists/mine.yaml", 6, f"{text} Until then mails to both are held.")
    ]


def test_T_50_an_exception_that_both_files_have_is_fine(tmp_path: Path) -> None:
    loaded = organisation(tmp_path, list_text("mine"))
    mail = Mail(("boats@lists.example.org", "trips@lists.example.org"))

    assert loaded.problems == ()
    assert verdict(mail, loaded).decided_by == "12-03"
    assert verdict(Mail(("boats@lists.example.org", "mine@lists.example.org")), loaded).action is Action.HOLD


@pytest.mark.parametrize(
    ("login", "automatic", "action"),
    [
        ("scanner", False, Action.PASS),  # a program, as the site says
        ("scanner", True, Action.PASS),
        ("kim", True, Action.PASS),
        ("kim", False, Action.HOLD),
        ("robin", True, Action.REFUSE),
        ("robin", False, Action.HOLD),
    ],
)
def test_story_7_a_program_may_write_to_the_list_that_names_it_and_to_no_other(
    tmp_path: Path, login: str, automatic: bool, action: Action
) -> None:
    more = "kind: announce\nposters: office\nautomatic: [scanner, kim]\n"
    loaded = organisation(tmp_path, list_text("mine", more))
    mail = Mail(("mine@lists.example.org",), login=login, automatic=automatic)

    assert verdict(mail, loaded).action is action
    both = Mail(("mine@lists.example.org", "boats@lists.example.org"), login=login, automatic=automatic)
    assert Action.PASS is not verdict(both, loaded).action


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("words", ["wrong_if", "tag", "topics"])
def test_T_52_words_may_hold_and_never_refuse(tmp_path: Path, words: str, automatic: bool) -> None:
    more = {
        "wrong_if": "wrong_if: [{subject_has: [rudder], use: boats}]\n",
        "tag": "wrong_topic: hold\n",
        "topics": "wrong_topic: hold\ntopics: [paint, brush, ladder, tape, bucket, rags, primer, varnish]\n",
    }[words]
    loaded = organisation(tmp_path, list_text("mine", f"on_alarm: refuse\nfirst_post: pass\n{more}"))
    subject = {"wrong_if": "The rudder", "tag": "[Trips] Sunday", "topics": "Saturday"}[words]
    text = "The boat has a sail, a mast, an anchor and a keel, and lies in the harbour with her crew. " * 3
    mail = Mail(("mine@lists.example.org",), subject, text, automatic=automatic)

    assert loaded.ok, loaded.problems
    assert verdict(mail, loaded).action is (Action.PASS if automatic else Action.HOLD)
