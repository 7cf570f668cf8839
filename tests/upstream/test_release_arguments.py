"""What MAIL and RCPT of a release say, made again from the envelope of the held mail."""

from __future__ import annotations

import pytest

from smtpguard.mail.envelope import Path, parse_path
from smtpguard.upstream.release_arguments import mail_argument, rcpt_argument


def path(argument: str) -> Path:
    parsed = parse_path(argument)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    "typed", ["<>", "<Anna@Example.test>", "anna@example.test", '<"a b"@example.test>', "<@r:a@b.test>"]
)
def test_the_path_is_as_typed(typed: str) -> None:
    assert mail_argument(path(f"FROM:{typed}"), ()) == f"FROM:{typed}"
    if typed != "<>":
        assert rcpt_argument(path(f"to: {typed}"), ()) == f"TO:{typed}"


def test_what_the_member_asked_for_is_kept_as_typed() -> None:
    typed = "FROM:<a@b.test> ret=Hdrs EnvId=Ab+2Bc BODY=8bitMIME SMTPUTF8"

    assert mail_argument(path(typed), ()) == typed
    assert (
        rcpt_argument(path("TO:<c@d.test> NOTIFY=Success,FAILURE ORCPT=rfc822;C+2B@d.test"), ())
        == "TO:<c@d.test> NOTIFY=Success,FAILURE ORCPT=rfc822;C+2B@d.test"
    )


def test_requiretls_is_never_dropped_in_silence() -> None:
    assert mail_argument(path("FROM:<a@b.test> RequireTLS"), ()) == "FROM:<a@b.test> RequireTLS"


def test_size_is_made_anew_and_only_where_it_is_offered() -> None:
    held = path("FROM:<a@b.test> size=99 BODY=7BIT")

    assert mail_argument(held, {"SIZE"}, 1234) == "FROM:<a@b.test> BODY=7BIT SIZE=1234"
    assert mail_argument(held, {"DSN"}, 1234) == "FROM:<a@b.test> BODY=7BIT"
    assert mail_argument(held, {"SIZE"}) == "FROM:<a@b.test> BODY=7BIT"


def test_the_old_sessions_auth_is_left_out() -> None:
    assert mail_argument(path("FROM:<a@b.test> AUTH=a+2Bx@b.test auth=<>"), {"AUTH"}) == "FROM:<a@b.test>"


@pytest.mark.parametrize(
    ("parameter", "extension"),
    [
        ("MT-PRIORITY=3", "MT-PRIORITY"),
        ("BY=120;R", "DELIVERBY"),
        ("HOLDFOR=60", "FUTURERELEASE"),
        ("x-odd=1", "X-ODD"),
    ],
)
def test_other_parameters_are_kept_where_the_server_offers_them(parameter: str, extension: str) -> None:
    held = path(f"FROM:<a@b.test> {parameter}")

    assert mail_argument(held, {extension}) == f"FROM:<a@b.test> {parameter}"
    assert mail_argument(held, {"SIZE", "DSN"}) == "FROM:<a@b.test>"
