"""Golden mails: tests/golden/passages/<case>/message.eml and who speaks in it (expected.yaml).

All people are invented.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from smtpguard.mail.message import Passage
from smtpguard.mail.parsing import parse_message

CASES = sorted(path.parent for path in (Path(__file__).parent / "golden" / "passages").glob("*/message.eml"))


def said(passage: Passage, expected: dict[str, Any]) -> dict[str, Any]:
    """What the passage says of itself, in the words of expected.yaml; only the keys that it asks for."""
    words = {
        "voice": passage.voice.value,
        "kind": passage.kind.value if passage.kind else None,
        "author": passage.author.normal if passage.author else None,
        "author_name": passage.author_name,
        "recipients": [each.normal for each in passage.recipients],
        "sent": passage.sent,
        "subject": passage.subject,
        "message_id": passage.message_id,
        "begins": passage.text[: len(expected.get("begins", ""))],
    }
    return {key: words[key] for key in expected}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden_mail_is_read_as_its_writer_meant_it(case: Path) -> None:
    expected = yaml.safe_load((case / "expected.yaml").read_text("utf-8"))["passages"]
    passages = parse_message((case / "message.eml").read_bytes()).passages
    voices = [passage.voice.value for passage in passages]
    assert voices == [each["voice"] for each in expected]
    assert [said(passage, each) for passage, each in zip(passages, expected, strict=True)] == expected


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_line_ends_do_not_change_what_is_read(case: Path) -> None:
    octets = (case / "message.eml").read_bytes()
    assert parse_message(octets.replace(b"\r\n", b"\n")).passages == parse_message(octets).passages


def test_there_are_golden_mails() -> None:
    assert len(CASES) >= 14
