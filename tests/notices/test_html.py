"""The HTML part: the same words in the same order as the text, links that answer, and nothing that loads or runs."""

from __future__ import annotations

import re
from dataclasses import replace
from textwrap import fill, indent

import pytest

from smtpguard.answers.choice import parse_choice
from smtpguard.answers.token import Token, find_tokens
from smtpguard.config.texts import shipped
from smtpguard.mail.content import WireContent, stuffed
from smtpguard.notices.choices import choices
from smtpguard.notices.letter import Letterhead
from smtpguard.reading import NoticeSigns, look_into, open_content
from tests.notices.cases import CASES
from tests.notices.pages import answer, page, page_source
from tests.notices.samples import HEAD, SITE, TOKEN, crosspost, finding, notice, read, speaking, text

pytestmark = pytest.mark.slow

LANGUAGES = shipped().codes
PAGE = "https://mailcheck.example.org"
WITH_PAGE = replace(
    SITE,
    page=PAGE,
    rules_page=f"{PAGE}/rules",
    rules={"12": "One mail belongs on one list.", "11": "Private stays private."},
)
ELEMENTS = frozenset(
    ["html", "head", "meta", "title", "style", "body", "div", "p", "h1", "h2", "ul", "ol", "li", "a", "b", "br"]
)
ATTRIBUTES = frozenset(["lang", "dir", "charset", "name", "content", "style", "role", "href", "value"])
# Numbers of lists and reasons are written out in the text and counted by the reader in HTML.
_NUMBER = re.compile(r"\d+\.?")


def words_alike(octets: bytes) -> tuple[list[str], list[str]]:
    """Both parts as words, without what one of them needs alone."""
    in_text = [each for each in text(octets).split() if each != "--" and not _NUMBER.fullmatch(each)]
    in_html = [each for each in page(octets).words if not _NUMBER.fullmatch(each)]
    return [each.partition("#")[0] for each in in_text], in_html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_text_and_html_say_the_same_in_the_same_order(name: str, language: str) -> None:
    with speaking(language):
        in_text, in_html = words_alike(CASES[name]())

    assert in_text == in_html


def test_so_do_they_with_the_page_and_the_rules() -> None:
    in_text, in_html = words_alike(notice(crosspost(), site=WITH_PAGE))

    assert in_text == in_html
    assert f"{PAGE}/h" in in_html


@pytest.mark.parametrize("name", CASES)
def test_text_comes_first_and_html_loads_and_runs_nothing(name: str) -> None:
    octets = CASES[name]()
    shown = page(octets)
    kinds = [each.get_content_type() for each in read(octets).walk() if not each.is_multipart()]

    assert ["text/plain", "text/html"] == kinds[:2]
    assert {tag for tag, _ in shown.elements} <= ELEMENTS | {"b", "br"}
    assert {attribute for _, given in shown.elements for attribute, _ in given} <= ATTRIBUTES
    assert ("html", (("dir", "ltr"), ("lang", "en"))) in shown.elements
    assert "url(" not in shown.source
    assert "@import" not in shown.source
    assert 1 == sum(tag == "h1" for tag, _ in shown.elements)
    assert str(read(octets)["Subject"]) == shown.title


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_choice_has_a_link_that_writes_the_answer(code: str) -> None:
    held = crosspost()
    with speaking(code) as language:
        links = page(notice(held)).links
    offers = choices(held, language)

    assert len(offers) == len(links)
    for link, offer in zip(links, offers, strict=True):
        to, subject, body = answer(link)

        assert HEAD.reply_to == to
        assert "mailcheck%2B" in link
        assert subject.startswith(offer.word)
        assert "Minutes of Tuesday" in subject
        assert offer.word == body
        if code == "en":
            assert offer.choice == parse_choice(body, {each.number: each.id for each in held.lists})


def test_a_notice_without_an_address_to_answer_to_has_no_dead_links() -> None:
    assert [] == page(notice(crosspost(), head=replace(HEAD, reply_to=None))).links


def test_the_page_is_linked_with_the_code_in_the_fragment_alone() -> None:
    octets = notice(crosspost(), site=WITH_PAGE)
    links = [each for each in page(octets).links if not each.startswith("mailto:")]

    assert [f"{PAGE}/h#{TOKEN.code}", f"{PAGE}/rules"] == links
    assert f"or choose here:  {PAGE}/h#{TOKEN.code}\n" in text(octets)
    assert f"All rules we check: {PAGE}/rules\n" in text(octets)


def test_the_organisation_s_own_words_stand_where_its_rule_alarmed() -> None:
    said = text(notice(crosspost(), site=WITH_PAGE))

    assert "\n\nOur rule 12: One mail belongs on one list.\n\n" in said
    assert "Our rule 11" not in said
    assert said.index("That is fine, too.") < said.index("Our rule 12") < said.index("Rather talk?")


def sent_on(body: str, kind: str = "plain") -> tuple[Token, ...]:
    """The codes that the guard finds in a mail with this text."""
    octets = f"Subject: look\nMIME-Version: 1.0\nContent-Type: text/{kind}; charset=utf-8\n\n{body}\n".encode()
    signs = NoticeSigns(HEAD.guard)
    return look_into(open_content(WireContent(stuffed(octets.replace(b"\n", b"\r\n"))), signs), signs)[1]


def flowed(said: str, width: int) -> str:
    """A text wrapped anew, as by a mail program that quotes it."""
    return "\n".join(fill(line, width) for line in said.splitlines())


QUOTED = {
    "whole": lambda said: said,
    "quoted": lambda said: indent(said, "> "),
    "quoted twice": lambda said: indent(said, "> > "),
    "wrapped": lambda said: indent(flowed(said, 60), "> "),
    "wrapped narrowly": lambda said: indent(flowed(said, 40), "> "),
    "forwarded": lambda said: f"---------- Forwarded message ---------\nFrom: Mail check\n\n{said}",
}


@pytest.mark.parametrize("form", QUOTED)
def test_90_17_the_code_is_found_in_the_text_as_mail_programs_quote_it(form: str) -> None:
    said = text(notice(crosspost(), site=SITE))

    assert (TOKEN,) == sent_on(QUOTED[form](said))
    assert TOKEN in find_tokens(QUOTED[form](said))


@pytest.mark.parametrize("page_too", [False, True])
@pytest.mark.parametrize(
    "form", ["{}", "<blockquote type=cite>{}</blockquote>", "<div class=gmail_quote>On Monday wrote:<br>{}</div>"]
)
def test_90_17_the_code_is_found_in_html_as_mail_programs_quote_it(form: str, page_too: bool) -> None:
    source = page_source(notice(crosspost(), site=WITH_PAGE if page_too else SITE))
    inner = source[source.index("<body") : source.index("</body>")]
    lines_alone = re.sub(r'href="[^"]*"', "", inner)

    assert (TOKEN,) == sent_on(form.format(inner), "html")
    assert (TOKEN,) == sent_on(form.format(lines_alone), "html")


def test_90_17_a_link_of_the_notice_alone_carries_the_code() -> None:
    link = page(notice(crosspost())).links[0]

    assert (TOKEN,) == sent_on(f'<p>Please press <a href="{link}">here</a></p>', "html")
    assert (TOKEN,) == sent_on(f"Please use {link}")


def test_90_17_the_whole_notice_attached_is_found() -> None:
    octets = notice(crosspost())
    signs = NoticeSigns(HEAD.guard)
    head = b'Subject: look\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
    mail = head + b"--x\r\nContent-Type: message/rfc822\r\n\r\n" + octets + b"\r\n--x--\r\n"

    assert (TOKEN,) == look_into(open_content(WireContent(stuffed(mail)), signs), signs)[1]


def test_a_letter_that_attaches_the_mail_keeps_text_and_html_together() -> None:
    message = read(CASES["back"]())

    assert "multipart/mixed" == message.get_content_type()
    alternative, attached = message.iter_parts()
    assert "multipart/alternative" == alternative.get_content_type()
    assert "message/rfc822" == attached.get_content_type()


def test_lines_of_the_two_parts_stay_apart() -> None:
    # Whatever stands in a part, quoted-printable leaves no line that begins like the boundary.
    head: Letterhead = replace(HEAD, message_id="<->")
    octets = notice(crosspost(subject="--text-"), head=head)

    assert 2 == sum(not each.is_multipart() for each in read(octets).walk())
    in_text, in_html = words_alike(octets)
    assert in_text == in_html


def test_a_row_that_serves_another_rule_shows_the_words_of_that_one() -> None:
    site = replace(SITE, rules={"2": "What is ours stays ours.", "12": "One mail belongs on one list."})
    facts = {"source": "council", "targets": ("berlin",), "outsiders": (), "begins": "So ..."}

    said = text(notice(crosspost(findings=(finding("11-11", **facts),)), site=site))

    assert "\n\nOur rule 2: What is ours stays ours.\n\n" in said
    assert "Our rule 12" not in said
