"""`smtpguard rules-page`: what members read is complete, true today, and names nobody."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import smtpguard
from smtpguard.config.loading import Loaded, load
from smtpguard.config.texts import shipped, shipped_wordings
from smtpguard.notices.languages import Language
from smtpguard.rules_page.asked import ROWS
from smtpguard.rules_page.facts import facts_of
from smtpguard.rules_page.pages import rules_files
from tests.tools.site import SITE, list_text, run, write_site

PACKAGE = Path(smtpguard.__file__).parent
GOLDEN = Path(__file__).parent / "golden"
# `load` refuses exceptions that are over or too far away, so the dates move; the pages are compared as of one day.
NOW = datetime.now(UTC)
DAY, SOON, LATER = ((NOW + timedelta(days=each)).date().isoformat() for each in (0, 14, 28))
PERSONS = ("anna@example.org", "ben@example.org", "carla.smith@example.org", "Sam", "030 123", "it@example.org")


ENGLISH = shipped().of("en")
LANGUAGES = [shipped().of(code) for code in shipped().codes]


def rules_pages(loaded: Loaded, now: datetime, language: Language = ENGLISH) -> dict[str, str]:
    assert loaded.settings is not None
    assert loaded.policy is not None
    return rules_files(facts_of(loaded.settings, loaded.policy, now), language)


def said(day: str, language: Language = ENGLISH) -> str:
    """A day as the page says it."""
    return language.day(date.fromisoformat(day), "date")


def write(folder: Path) -> Path:
    """A site that uses everything the page may show, with persons wherever an admin might name one."""
    path = write_site(folder)
    more = (
        'call: "Sam, office, 030 123 45 67"\n'
        "accounts:\n  office: carla.smith@example.org\n"
        "defaults: {expires: 48h, first_post: ask, burst: {do: ask}}\n"
        "memory: {posts: 90d}\n"
    )
    desks = "desks: [commission@example.org, privacy@example.org]"
    path.write_text(SITE.replace("desks: [commission@example.org, trust@lists.example.org]", desks) + more, "utf-8")
    lists = path.parent / "lists"
    both = 'reason: "congress week, ask ben@example.org"'
    (lists / "news.yaml").write_text(
        list_text(
            "news",
            "kind: announce",
            "posters: [anna@example.org, office]",
            "discussion: berlin",
            "includes: [harbour]",
            "on_alarm: refuse",
            "expires: 1h",
            'say: "For minutes write to berlin@lists.example.org or anna@example.org."',
            f"exceptions: [{{until: {SOON}, crosspost_with: [press], {both}}}]",
            "wrong_if: [{subject_has: [receipt], use: press}]",
        )
        .replace("About news", "News & <b>more</b>, by Anna <anna@example.org>")
        .replace("news-owner@lists.", "anna@"),
        "utf-8",
    )
    (lists / "press.yaml").write_text(
        list_text(
            "press",
            f'exceptions:\n  - {{until: {LATER}, crosspost_with: [news], reason: "autumn"}}',
            f'  - {{until: {LATER}, crosspost_with: [berlin], reason: "one-sided"}}',
        ).replace("contact: press-owner@lists.example.org", "contact: anna@example.org"),
        "utf-8",
    )
    return path


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, str]:
    path = write(tmp_path / "config")
    loaded = load(path)
    assert loaded.ok, loaded.problems
    return rules_pages(loaded, NOW)


@pytest.mark.parametrize("name", ["index.html", "rules.txt"])
def test_the_page_is_the_one_agreed_on(pages: dict[str, str], name: str) -> None:
    shown = pages[name].replace(said(DAY), "22 November 2026").replace(said(SOON), "6 December 2026")

    assert (GOLDEN / name).read_text("utf-8") == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ('or to "anna smith"@example.org.', "or to (an address)."),
        (r'or to "anna \"the pen\" smith"@example.org, too', "or to (an address), too"),
        ("or to anna.o'neil@example.org.", "or to (an address)."),
        ("all'anna@example.org", "(an address)"),
        ('"anna@example.org" or "berlin@lists.example.org"', '"(an address)" or "berlin@lists.example.org"'),
        ('or to "berlin"@lists.example.org.', 'or to "berlin"@lists.example.org.'),
        ("les membres d'berlin@lists.example.org", "les membres d'berlin@lists.example.org"),
        ("'berlin@lists.example.org' 'anna@example.org'", "'berlin@lists.example.org' '(an address)'"),
    ],
)
def test_an_address_in_an_admins_words_is_left_out_whole_however_it_is_written(
    tmp_path: Path, words: str, shown: str
) -> None:
    path = write_site(tmp_path / "config")
    quoted = words.replace("\\", "\\\\").replace('"', '\\"')
    (path.parent / "lists" / "news.yaml").write_text(list_text("news", f'say: "For minutes {quoted}"'), "utf-8")
    loaded = load(path)
    assert loaded.ok, loaded.problems

    text = " ".join(rules_pages(loaded, NOW)["rules.txt"].split())

    assert f"For minutes {shown}" in text


@pytest.mark.parametrize("name", ["index.html", "rules.txt"])
def test_no_person_is_named_anywhere(pages: dict[str, str], name: str) -> None:
    for person in PERSONS:
        assert person not in pages[name]
    shown = " ".join(pages[name].split())
    assert "2 accounts; others write to berlin. The posters may write to both at once" in shown
    assert "berlin-owner@lists.example.org" in pages[name]
    assert "(an address)" in pages[name]


@pytest.mark.parametrize("name", ["index.html", "rules.txt"])
def test_every_list_pair_and_running_exception_is_there(pages: dict[str, str], name: str) -> None:
    for each in ("berlin", "brandenburg", "harbour", "news", "press"):
        assert f"{each}@lists.example.org" in pages[name]
    assert "berlin and brandenburg\n" in pages[name].replace("</li>", "")
    assert "harbour and press (decided for the whole site)" in pages[name]
    assert f"news and press, up to and with {said(SOON)}" in pages[name]
    assert "one-sided" not in pages[name]
    assert said(LATER) not in pages[name]  # the earlier end counts
    assert "90 days" in pages[name]


def test_T_52_all_words_that_make_the_guard_ask_are_there_and_no_closed_list(tmp_path: Path) -> None:
    path = write(tmp_path / "config")
    lists = path.parent / "lists"
    rules = "wrong_if: [{subject_has: [receipt, travel costs], use: press}, {subject_has: [salary], use: harbour}]"
    berlin = ("tag: '[Berlin]'", "topics: [kiez, spree]", "wrong_topic: hold", "crosspost_with: [harbour]", rules)
    (lists / "berlin.yaml").write_text(list_text("berlin", *berlin), "utf-8")
    closed = ("audience: closed", "tag: '[Hidden]'", "crosspost_with: [berlin]", "may_quote_to: [press]")
    (lists / "harbour.yaml").write_text(list_text("harbour", *closed), "utf-8")
    loaded = load(path)
    assert loaded.ok, loaded.problems

    for page in rules_pages(loaded, NOW).values():
        told = " ".join(unescape(page).split())
        assert "Its tag in a Subject: [Berlin]" in told
        assert "Words of this list: kiez, spree" in told
        assert 'a Subject with "receipt" or "travel costs", which belongs on press' in told
        assert 'a Subject with "salary", which belongs on another list' in told
        assert "the tag of another list, or three words of it and none of this list's" in told
        assert "a mail of a closed list that is passed on" in told
        assert "1 closed list is looked after and not named here" in told
        assert "harbour" not in told
        assert "[Hidden]" not in told


@pytest.mark.parametrize(
    ("settings", "told", "not_told"),
    [
        ("", ["cannot be looked into"], ["wrote to the sender privately", "a quote", "a list is strict"]),
        ("member_domains: [example.org]\n", ["a quote of a member's words"], ["wrote to the sender privately"]),
        (
            "remember: threads\nmembers_informed: 2026-01-31\n",
            ["wrote to the sender privately"],
            ["who is no member", "takes in a further person"],
        ),
    ],
)
def test_rule_11_asks_about_what_is_switched_on(
    tmp_path: Path, settings: str, told: list[str], not_told: list[str]
) -> None:
    path = write(tmp_path / "config")
    with path.open("a") as file:
        file.write(settings)
    loaded = load(path)
    assert loaded.ok, loaded.problems

    page = " ".join(unescape(rules_pages(loaded, NOW)["rules.txt"]).split())

    assert [] == [each for each in told if each not in page]
    assert [] == [each for each in not_told if each in page]


def test_what_is_over_or_not_remembered_is_not_on_the_page(tmp_path: Path) -> None:
    path = write(tmp_path / "config")
    with path.open("a") as file:
        file.write("remember: none\n")

    page = rules_pages(load(path), NOW + timedelta(days=16))["rules.txt"]

    assert said(SOON) not in page
    assert "Nothing about mails that went out." in page
    assert "fingerprints" not in page


@pytest.mark.parametrize(
    ("said", "there", "absent"),
    [
        ("remember: lists", ["Private mail: nothing."], ["who wrote to whom", "Members were told"]),
        ("remember: none", ["Nothing about mails that went out."], ["Private mail", "who wrote to whom"]),
        (
            "remember: threads\nmembers_informed: 2026-01-31",
            [
                "who wrote to whom",
                "for 14 days and up to a week more",
                "Nothing of its words",
                "told on 31 January 2026.",
            ],
            ["fingerprints of its words", "rebuild"],
        ),
        (
            "remember: all\nmembers_informed: 2026-01-31",
            ["who wrote to whom", "fingerprints of its words", "rebuild much of it", "told on 31 January 2026."],
            ["Nothing of its words"],
        ),
    ],
)
def test_what_is_remembered_of_private_mail_is_said_and_for_how_long(
    tmp_path: Path, said: str, there: list[str], absent: list[str]
) -> None:
    path = write(tmp_path / "config")
    path.write_text(
        path.read_text("utf-8").replace("memory: {posts: 90d}", f"memory: {{private: 14d}}\n{said}"), "utf-8"
    )

    for page in rules_pages(load(path), NOW).values():
        words = " ".join(unescape(re.sub("<[^>]*>", "", page)).split())
        assert [] == [each for each in there if each not in words]
        assert [] == [each for each in absent if each in words]


def test_the_roster_is_mentioned_and_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "config")
    (path.parent / "roster.txt").write_text("dora.planted@example.org\n")
    without = rules_pages(load(path), NOW)
    path.write_text(path.read_text("utf-8") + "roster: roster.txt\n", "utf-8")

    for name, page in rules_pages(load(path), NOW).items():
        assert "a list that only the mail admins keep and see" in page
        assert "a list that only the mail admins keep and see" not in without[name]
        assert "planted" not in page


def everything(folder: Path, more: str = "") -> Loaded:
    """A site where each sentence of the page has its reason, and a closed list."""
    path = write(folder)
    (path.parent / "roster.txt").write_text("dora.planted@example.org\n")
    rules = {"11": "Private mail stays private.", "12": "One list, ask anna@example.org.", "7": "Show no addresses."}
    own = "".join(f'  "{number}": "{words}"\n' for number, words in rules.items())
    said = "remember: all\nmembers_informed: 2026-01-31\nmember_domains: [example.org]\nroster: roster.txt\n"
    path.write_text(path.read_text("utf-8") + said + f"rules:\n{own}{more}", "utf-8")
    lists = path.parent / "lists"
    strays = "wrong_if: [{subject_has: [receipt, travel], use: press}, {subject_has: [salary], use: closed}]"
    berlin = (
        "tag: '[Berlin]'",
        "topics: [kiez, spree]",
        "wrong_topic: hold",
        "strict: true",
        "crosspost_with: [harbour]",
    )
    (lists / "berlin.yaml").write_text(list_text("berlin", *berlin, strays), "utf-8")
    (lists / "closed.yaml").write_text(list_text("closed", "audience: closed", "tag: '[Hidden]'"), "utf-8")
    loaded = load(path)
    assert loaded.ok, loaded.problems
    return loaded


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
def test_T_52_the_page_in_every_language_names_no_person_and_no_closed_list(tmp_path: Path, language: Language) -> None:
    loaded = everything(tmp_path / "config")

    for name, page in rules_pages(loaded, NOW, language).items():
        told = " ".join(unescape(page).split())
        named = (*PERSONS, "planted", "[Hidden]", "closed@lists")
        assert [] == [each for each in named if each in told]
        assert language.text("rules_page.closed", number="1", count=1) in told
        assert language.text("rules_page.not_shown") in told
        for words in ("kiez", "spree", "[Berlin]", "receipt", "travel", "salary"):
            assert words in told
        assert " ".join(language.length(timedelta(days=90)).split()) in told
        assert said(SOON, language) in told
        assert language.text("rules_page.informed", day=said("2026-01-31", language)) in told
        if language is not ENGLISH:
            english = [each for each in _sentences("en") if each in told and each not in _sentences(language.code)]
            assert [] == english, name


def _sentences(code: str) -> list[str]:
    """What the page says without any fact, in one language."""
    texts = shipped_wordings()[code].texts
    return [str(said) for name, said in texts.items() if name.startswith("rules_page.") and len(said) > 12]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.code)
def test_each_rule_that_a_notice_names_has_its_place_and_the_organisation_s_words(
    tmp_path: Path, language: Language
) -> None:
    page = rules_pages(everything(tmp_path / "config"), NOW, language)["index.html"]
    ids = re.findall(r' id="([^"]+)"', page)

    assert ["2", "4", "5", "7", "11", "12"] == sorted((each for each in ids if each.isdigit()), key=int)
    assert len(ids) == len(set(ids))
    for number, words in (("11", "Private mail stays private."), ("7", "Show no addresses.")):
        begin = page.index(f'id="{number}"')
        assert words in page[begin : page.index("<ul>", begin)]
    assert f"One list, ask {language.text('rules_page.not_shown')}." in page
    # What serves two rules stands with both, as its notice names both.
    closed = escape(language.text("rules_page.12-17"), quote=False)
    assert 2 == unescape(page).count(unescape(closed))
    assert language.text("rules_page.rule", numbers=language.named(["4", "5"]), count=2) in page


def test_every_text_of_the_page_is_used() -> None:
    sources = "".join(each.read_text("utf-8") for each in PACKAGE.glob("rules_page/*.py"))
    sources += (PACKAGE / "web" / "templates" / "rules.html").read_text("utf-8")
    there = {each.removeprefix("rules_page.") for each in shipped_wordings()["en"].texts if "rules_page." in each}

    used = set(re.findall(r"""["'](?:rules_page\.)?([\w-]+)["']""", sources))
    unused = there - used
    assert {"rule_11", "rule_12"} == unused  # made of the numbers


@pytest.mark.parametrize(
    ("code", "day", "lengths"),
    [
        ("en", "6 December 2026", ["1 hour", "72 hours", "7 days", "90 seconds"]),
        ("de", "6. Dezember 2026", ["1 Stunde", "72 Stunden", "7 Tage", "90 Sekunden"]),
        ("es", "6 de diciembre de 2026", ["1 hora", "72 horas", "7 días", "90 segundos"]),
        ("fr", "6 décembre 2026", ["1 heure", "72 heures", "7 jours", "90 secondes"]),
    ],
)
def test_days_and_lengths_are_said_as_the_language_says_them(code: str, day: str, lengths: list[str]) -> None:
    language = shipped().of(code)
    some = (timedelta(hours=1), timedelta(days=3), timedelta(days=7), timedelta(seconds=90))

    assert day == said("2026-12-06", language)
    assert lengths == [" ".join(language.length(each).split()) for each in some]
    assert f"20{language.amount(1000)[1:-3]}000" == language.amount(20_000)


class _Outline(HTMLParser):
    """What a reader of the page's structure meets."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_the_html_is_well_formed_and_loads_nothing(pages: dict[str, str]) -> None:
    text = pages["index.html"]
    outline = _Outline()
    outline.feed(text)

    # Void elements closed, it must be XML as well: every element is closed, every attribute quoted, all escaped.
    body = re.sub(r"<(meta|br)([^>]*)>", r"<\1\2/>", text.removeprefix("<!DOCTYPE html>\n"))
    ET.fromstring(body)
    assert not {"script", "img", "link", "iframe", "form"} & set(outline.tags)
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", text)
    assert "&lt;b&gt;more&lt;/b&gt;" in text
    assert "<b>" not in text


def test_the_html_can_be_read_aloud(pages: dict[str, str]) -> None:
    text = pages["index.html"]

    assert '<html lang="en">' in text
    assert 1 == text.count("<h1") == text.count("<main>") == text.count("<title>")
    assert re.findall(r"<h([1-6])", text)[0] == "1"
    assert set(re.findall(r"<h([1-6])", text)) == {"1", "2"}
    assert "<caption>" in text
    assert text.count('<th scope="col">') == 4
    assert text.count('<th scope="row">') == 5
    assert 'name="viewport"' in text


def test_the_plain_page_has_short_lines(pages: dict[str, str]) -> None:
    assert max(map(len, pages["rules.txt"].splitlines())) <= 100


def test_the_command_writes_both_pages_and_again_over_them(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "www" / "mail"

    first = run("rules-page", folder, "--config", site)
    second = run("rules-page", folder, "--config", site)

    assert (0, 0) == (first.exit_code, second.exit_code)
    assert ["index.html", "rules.txt"] == sorted(each.name for each in folder.iterdir())
    assert "<title>Which mail is asked about - Example Union</title>" in (folder / "index.html").read_text("utf-8")


@pytest.mark.parametrize(("code", "shown"), [("de", "de"), ("de-AT", "de"), ("FR", "fr"), ("en", "en")])
def test_the_command_writes_the_language_that_it_is_told(site: Path, tmp_path: Path, code: str, shown: str) -> None:
    done = run("rules-page", tmp_path / "www", "--language", code, "--config", site)
    page = (tmp_path / "www" / "index.html").read_text("utf-8")

    assert 0 == done.exit_code, done.stderr
    assert f'<html lang="{shown}">' in page
    assert shipped().of(shown).text("rules_page.title") in unescape(page)


def test_the_command_writes_the_site_s_first_language_in_its_own_words(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text("utf-8") + "languages: [de, en]\n", "utf-8")
    (site.parent / "texts").mkdir()
    (site.parent / "texts" / "de.yaml").write_text("rules_page:\n  title: Unsere Regeln\n", "utf-8")
    run("rules-page", tmp_path / "www", "--config", site)
    page = (tmp_path / "www" / "rules.txt").read_text("utf-8")

    assert page.startswith("UNSERE REGELN\n")
    assert "WAS GESCHIEHT" in page


def test_a_language_without_texts_is_said_and_nothing_is_written(site: Path, tmp_path: Path) -> None:
    done = run("rules-page", tmp_path / "www", "--language", "xx", "--config", site)

    assert 2 == done.exit_code
    assert "There are: en, de, es, fr." in " ".join(done.stderr.split())
    assert not (tmp_path / "www").exists()


def test_broken_settings_leave_the_former_page(site: Path, tmp_path: Path) -> None:
    run("rules-page", tmp_path / "www", "--config", site)
    before = (tmp_path / "www" / "index.html").read_text("utf-8")
    (site.parent / "lists" / "press.yaml").write_text("list: [", "utf-8")

    said = run("rules-page", tmp_path / "www", "--config", site)

    assert 78 == said.exit_code
    assert before == (tmp_path / "www" / "index.html").read_text("utf-8")


def test_a_folder_that_cannot_be_made_is_said(site: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    said = run("rules-page", tmp_path / "file" / "www", "--config", site)

    assert 73 == said.exit_code
    assert "cannot be written" in said.stderr


def test_everything_that_a_notice_can_say_has_its_line() -> None:
    rows = (each.removeprefix("reasons.") for each in shipped_wordings()["en"].texts if each.startswith("reasons."))
    reasons = {each for each in rows if each[:1].isdigit()}

    assert len(reasons) > 30
    assert reasons == set(ROWS)
