"""HTML to text: lines, quotes, hidden text, and time."""

import time

import pytest

from smtpguard.mail.html import HTML_CHARACTERS_MAX, RULE_LINE, html_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<div>one<div>two</div></div>three", "one\ntwo\nthree"),
        ("a  \n b <b>c</b>d", "a b cd"),
        ("<tr><th>From: </th><td>Anna</td></tr>", "From: Anna"),
        ("1 &lt; 2 &amp; 3&nbsp;&gt; 2 &#228;", "1 < 2 & 3 > 2 ä"),
        ("<blockquote>one<blockquote>two</blockquote>three</blockquote>four", "> one\n>> two\n> three\nfour"),
        ("one<hr>two", f"one\n{RULE_LINE}\ntwo"),
        ("<style>p {}</style><script>if (a<b) x()</script>text", "text"),
        ("<!-- not <b>this</b> -->text<!DOCTYPE html><?php x ?>", "text"),
        ("<pre>one\n  two</pre>", "one\n  two"),
        ('<a title="a > b" href=x>link</a>', "link"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<p style='display:none'>hidden</p>shown", "hidden\n\nshown"),
        ("<o:p>&nbsp;</o:p>x", " x"),
        ("text <a href=", "text <a href="),
        ("<head><title>not <b>this</title></head>text", "text"),
    ],
)
def test_html_becomes_the_lines_a_reader_sees(html: str, text: str) -> None:
    assert html_text(html).strip("\n") == text.strip("\n")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p style='display:none'>hidden</p>shown", "shown"),
        ("<div hidden>one<div>two</div>three</div>four", "four"),
        ("<div hidden>one</p></span></div>two", "two"),
        ("<blockquote>one<div style='visibility: hidden'>two</blockquote></div>three</blockquote>", "> one\n> three"),
        ("<br hidden><img style='display:none'>shown", "shown"),
        ("<div hidden/>shown", "shown"),
        ("<p class='hidden-xs'>shown</p><p aria-hidden=false>too</p>", "shown\n\ntoo"),
        ("<div hidden>one", ""),
    ],
)
def test_hidden_text_can_be_left_out(html: str, text: str) -> None:
    assert html_text(html, hidden=False).strip("\n") == text


def test_text_after_an_element_that_never_ends_is_kept() -> None:
    assert "words" in html_text("<style>words")
    assert "words" in html_text("<title>words")
    assert "words" in html_text("<!-- > words")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<blockquote>",
        "<a ",
        "<!--",
        '<a b="',
        "<a '\"",
        "&#1",
        "<script>",
        "<",
        "</",
        "<br>",
        "<![CDATA[",
        "<?",
        "<title>",
        "<p hidden>",
        "<p style='display ",
    ],
)
def test_hostile_markup_takes_linear_time(piece: str) -> None:
    start = time.process_time()
    html_text(piece * (500_000 // len(piece)))
    html_text(piece * (500_000 // len(piece)), hidden=False)
    assert time.process_time() - start < 2


def test_only_a_bounded_part_of_a_page_is_read() -> None:
    assert len(html_text("a" * (HTML_CHARACTERS_MAX + 10))) == HTML_CHARACTERS_MAX
