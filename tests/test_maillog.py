"""The log's vocabulary: what a line says, and what no line ever says (T-53, P6)."""

from __future__ import annotations

import inspect
import io
import json
import logging
from collections.abc import Iterator

import pytest

from smtpguard import maillog
from smtpguard.mail.reply import Reply
from tests.logs import restored_loggers

CODE = "4KQ7M2XD" * 6 + "ABCA"
assert len(CODE) == 52


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    with restored_loggers():
        yield


def lines(form: str = "logfmt", level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    maillog.set_up(level, form, stream)
    return stream


def every_event(reply: Reply) -> None:
    """One of each, with a reply where one belongs."""
    maillog.passed("id1", reply, 10)
    maillog.held("id1")
    maillog.resent("id1")
    maillog.refused("id1", 550)
    maillog.deferred("id1", "upstream", reply)
    maillog.copy_taken("id1")
    maillog.answered("id1", "done")
    maillog.released("id1", reply)
    maillog.release_refused("id1", reply)
    maillog.discarded("id1")
    maillog.corrected()
    maillog.expired(3)
    maillog.letter_lost("refused", reply)
    maillog.started("submission=127.0.0.1:587", "0.1")
    maillog.reloaded(2)
    maillog.settings_read(1, 0, 2, 12)
    maillog.file_kept("lists/berlin.yaml", 'lists/berlin.yaml:3:1: "manager" is\n written twice', 2, is_new=False)
    maillog.file_mended("lists/berlin.yaml")
    maillog.certificate_kept('"tls.key_file" is not the key of the first certificate in /etc/a.pem: /etc/b.pem')
    maillog.stopped()
    maillog.warning("something", why=f"the mail server said: {reply.text}", count=2)
    try:
        raise ValueError(reply.text)
    except ValueError as error:
        maillog.fault("a check failed", error, "id1")


# Each beside the words that may not be left of it.
QUOTING = {
    "bracketed": ("550 5.1.1 <anna.secret@example.test>: no", "anna|secret|example"),
    "bare": ("550 5.1.1 anna.secret@example.test unknown", "anna|secret|example"),
    "login without a domain": ("550 5.1.1 <annasecret>: Recipient address rejected", "annasecret"),
    "quoted with a blank": ('550 "anna secret"@example.test unknown', "anna|secret|example"),
    "quoted in brackets": ('550 <"anna secret"@example.test>: unknown', "anna|secret|example"),
    "quoted with a quote": (r'550 "anna \" secret"@example.test unknown', "anna|secret|example"),
    "in single quotes": ("550 'anna.secret@example.test' unknown", "anna|secret|example"),
    "with an apostrophe": ("550 anna.o'secret@example.test unknown", "anna|secret|example"),
    "with an escaped blank": (r"550 anna\ secret@example.test unknown", "anna|secret|example"),
    "in parentheses": ("550 (anna.secret@example.test): unknown", "anna|secret|example"),
    "address literal": ("550 anna.secret@[192.0.2.77] unknown", "anna|secret|192.0"),
    "behind a keyword": ("550 user=anna.secret@example.test, unknown", "anna|secret|example"),
    "a list of them": ("550 anna@example.test,ben-secret@example.test;x", "anna|secret|example"),
    "source route": ("550 <@hop.secret.test:anna@example.test>", "anna|secret|example"),
    "beyond ASCII": ("550 <zo\u00eb.secret@ex\u00e4mple.test>", "zo|secret|mple"),
    "a code": (f"550 5.1.1 <mailcheck+{CODE}@check.example.test>: no", f"{CODE}|{CODE[:20]}|mailcheck"),
    "a code without a domain": (f"550 5.1.1 mailcheck+{CODE}: no such user", f"{CODE}|{CODE[:20]}"),
    "a code in lower case": (f"550 5.1.1 box {CODE.lower()} unknown", CODE.lower()),
    "a Message-ID": ("250 2.6.0 <secret.1@example.test> Queued mail for delivery", "secret|example"),
    "several lines": ("550 first line / <anna@example.test> / secret@example.test", "anna|secret|example"),
}


@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize("name", QUOTING)
def test_T_53_addresses_in_the_words_of_the_mail_server_are_masked(name: str, form: str) -> None:
    said, words = QUOTING[name]
    stream = lines(form)

    every_event(Reply.of(int(said[:3]), *said[4:].split(" / ")))

    log = stream.getvalue()
    assert "(address)" in log
    for word in words.split("|"):
        assert word not in log, log


@pytest.mark.parametrize(
    "said",
    [
        "2.0.0 Ok: queued as 4Xk2Qz1nB8z3R",
        "OK id=1tEabc-0004Rs-2W",
        "2.0.0 5AMBQ3cI012345 Message accepted for delivery",
        "2.6.0 [InternalId=123, Hostname=mail] Queued mail for delivery",
    ],
)
def test_the_mail_server_s_own_words_are_kept_so_that_a_mail_can_be_followed(said: str) -> None:
    stream = lines("json")

    maillog.passed("id1", Reply.of(250, said), 77)

    assert f"250 {said}" == json.loads(stream.getvalue())["upstream"]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_every_event_is_one_line_of_ascii_with_time_level_id_and_name(form: str) -> None:
    stream = lines(form)
    hostile = Reply.of(550, 'a "b" c=d\u2028e\x0bf\x1b[2Jg \udcff \u202e', "second line")

    every_event(hostile)

    written = stream.getvalue()
    assert written.isascii()
    assert written.endswith("\n")
    events = [each for each in vars(maillog) if inspect.isfunction(getattr(maillog, each)) and each[0] != "_"]
    others = {"contextmanager", "observed_by", "set_up"}
    assert len(set(events) - others) == len(written.splitlines())  # so none is forgotten here
    for line in written.splitlines():
        assert not any(each < " " for each in line)
        if form == "json":
            assert ["time", "level", "id", "event"] == list(json.loads(line))[:4]
        else:
            assert ["time", "level", "id", "event"] == [each.partition("=")[0] for each in line.split(" ")[:4]]


def test_logfmt_puts_in_quotes_what_is_more_than_a_word() -> None:
    stream = lines()

    maillog.warning("two words", path="/etc/x", odd='a="b"')

    line = stream.getvalue()
    assert r'what="two words" path=/etc/x odd="a=\"b\""' in line


def test_a_line_is_bounded_whatever_the_mail_server_says() -> None:
    stream = lines()

    # In the order of the parser's bounds: 512 lines of 4,096 octets, made of what masking looks at.
    for piece in ("x" * 4000, '"' * 4000, r"\"" * 2000, "<" * 4000, "@" * 4000, "a@" * 2000):
        maillog.passed("id1", Reply.of(250, *[piece] * 512), 1)

    assert all(len(line) < 1500 for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("before", range(4060, 4096, 3))
def test_T_53_an_address_is_masked_wherever_a_long_reply_is_cut(before: int) -> None:
    stream = lines()

    maillog.passed("id1", Reply.of(250, f"<{'x' * before}> secret.anna@example.test said"), 1)

    assert "secret" not in stream.getvalue()


def test_a_fault_says_where_but_not_what() -> None:
    stream = lines()
    try:
        int("anna@example.test")
    except ValueError as error:
        maillog.fault("a check failed", error, "id9")

    line = stream.getvalue()
    assert "id=id9" in line
    assert "error=ValueError" in line
    assert "test_maillog.py:" in line
    assert "anna" not in line


@pytest.mark.parametrize("event", ["held", "discarded"])
def test_T_53_hold_and_discard_say_only_that_they_happened(event: str) -> None:
    stream = lines("json")

    getattr(maillog, event)("0123456789ab")

    assert {"time", "level", "id", "event"} == set(json.loads(stream.getvalue()))


def test_T_53_expiry_is_a_number() -> None:
    stream = lines("json")

    maillog.expired(4)

    line = json.loads(stream.getvalue())
    assert ("-", 4) == (line["id"], line["count"])
    assert {"time", "level", "id", "event", "count"} == set(line)


def test_the_level_of_the_settings_is_kept() -> None:
    stream = lines(level="warning")

    maillog.held("id1")
    maillog.deferred("id1", "store")

    assert ["deferred"] == [line.split("event=")[1].split()[0] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("name", ["mail", "mail.log", "mail.debug", "mail.anything"])
def test_aiosmtpd_stays_silent_at_every_level(name: str) -> None:
    heard = io.StringIO()
    everywhere = logging.StreamHandler(heard)
    logging.getLogger().addHandler(everywhere)
    try:
        lines()
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        for level in (logging.DEBUG, logging.INFO, logging.ERROR, logging.CRITICAL):
            logger.log(level, "%s", "anna@example.test said AUTH PLAIN c2VjcmV0")
    finally:
        logging.getLogger().removeHandler(everywhere)

    assert "" == heard.getvalue()


def test_set_up_twice_writes_each_line_once() -> None:
    lines()
    stream = lines()

    maillog.held("id1")

    assert 1 == stream.getvalue().count("event=held")
