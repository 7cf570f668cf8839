"""How well forwards are told from answers, measured on a folder of mail that is not part of the project (README.md).

Run: SMTPGUARD_CORPORA=DIR python tests/corpus/forwards.py [--misses]
Prints figures only; with --misses also the ids of samples that came out wrong. No text of a mail is printed.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smtpguard.mail.message import ForwardKind, Message, Passage, Voice
from smtpguard.mail.parsing import parse_message

Label = dict[str, Any]

MISSES = "--misses" in sys.argv[1:]
_TYPES = {"plain text body": "text/plain", "html body": "text/html"}


def labels(folder: Path) -> list[Label]:
    """The lines of `folder`/labels.jsonl; none if the set is not there."""
    path = folder / "labels.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def members(folder: Path) -> dict[str, bytes]:
    """Files of all tar archives in `folder`, by their names there."""
    found: dict[str, bytes] = {}
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile():
                    stream = tar.extractfile(member)
                    found[member.name] = stream.read() if stream is not None else b""
    return found


def message_of(label: Label, octets: bytes) -> bytes:
    """The sample as a message: bodies get a header with the subject that the label gives, if any."""
    if label["format"] == "full eml":
        return octets
    subject = f"Subject: {label['subject']}\r\n" if label["subject"] else ""
    head = (
        "From: Erin Example <erin@example.org>\r\nTo: Frank Example <frank@example.net>\r\n"
        f"{subject}MIME-Version: 1.0\r\nContent-Type: {_TYPES[label['format']]}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return head.encode("utf-8") + octets


def forwarded(message: Message, kind: ForwardKind) -> list[Passage]:
    return [each for each in message.passages if each.voice is Voice.FORWARDED and each.kind is kind]


def author_right(label: Label, passages: list[Passage]) -> bool:
    """The first block's author is the one that the fixture asserts (by address, or by name where it has none)."""
    wanted = label["original_from"]
    if not passages:
        return False
    if wanted["address"] and "@" in wanted["address"]:
        author = passages[0].author
        return author is not None and author.normal == wanted["address"].lower()
    return (passages[0].author_name or "").lower() == (wanted["name"] or wanted["address"] or "").lower()


def recipients_right(label: Label, passages: list[Passage]) -> bool:
    """Every recipient that the fixture asserts is among those of the first block."""
    wanted = {
        each["address"].lower()
        for each in [*(label["original_to"] or []), *(label["original_cc"] or [])]
        if each["address"] and "@" in each["address"]
    }
    return bool(passages) and wanted <= {each.normal for each in passages[0].recipients}


def share(count: int, total: int) -> str:
    return f"{count}/{total} = {100 * count / total:.1f} %" if total else "none"


def row(name: str, value: str) -> None:
    print(f"  {name:<52}{value}")


def missed(what: str, label: Label) -> None:
    if MISSES:
        print(f"    {what}: {label['id']}")


def measure_forward(label: Label, inline: list[Passage], counts: Counter[str], language: Counter[str]) -> None:
    """Count one inline forward: found, author, recipients."""
    language["forwards"] += 1
    language["found"] += bool(inline)
    if not inline:
        missed("forward not found", label)
    if label["original_from"] and (label["original_from"]["address"] or label["original_from"]["name"]):
        right = author_right(label, inline)
        counts["author"] += 1
        counts["author right"] += right
        language["authors"] += 1
        language["authors right"] += right
        if not right:
            missed("author", label)
    if label["original_to"] or label["original_cc"]:
        right = recipients_right(label, inline)
        counts["recipients"] += 1
        counts["recipients right"] += right
        if not right:
            missed("recipients", label)


def measure_fixtures(folder: Path) -> None:
    """Fixtures of forward and reply parsers: precision, recall, author, recipients; by language."""
    counts: Counter[str] = Counter()
    by_language: dict[str, Counter[str]] = defaultdict(Counter)
    for label in labels(folder):
        octets = (folder / label["file"]).read_bytes()
        message = parse_message(message_of(label, octets))
        inline = forwarded(message, ForwardKind.INLINE)
        # The body alone cannot tell, and the fixture gives no subject: no right answer exists.
        open_question = label["body_ambiguous"] and not label["subject"] and label["format"] != "full eml"
        counts[f"all {label['kind']}"] += 1
        counts[f"hit {label['kind']}"] += bool(inline)
        if open_question:
            counts[f"open {label['kind']}"] += 1
            counts[f"open hit {label['kind']}"] += bool(inline)
        language = by_language[label["language"] or "?"]
        match label["kind"]:
            case "inline-forward":
                measure_forward(label, inline, counts, language)
            case "attached-forward":
                found = bool(forwarded(message, ForwardKind.ATTACHED))
                counts["attached"] += 1
                counts["attached found"] += found
                if not found:
                    missed("attached", label)
            case kind:
                language["others"] += 1
                language["called forward"] += bool(inline)
                if inline:
                    missed(f"{kind} called forward{' (open question)' if open_question else ''}", label)
    if counts:
        print_fixtures(counts, by_language)


def print_fixtures(counts: Counter[str], by_language: dict[str, Counter[str]]) -> None:
    print("forward: fixtures")
    hits = counts["hit inline-forward"]
    false = counts["hit reply-quote"] + counts["hit none"]
    row("inline forwards found (recall)", share(hits, counts["all inline-forward"]))
    row("called forward that are (precision)", share(hits, hits + false))
    row("replies called forward", share(counts["hit reply-quote"], counts["all reply-quote"]))
    row("neither, called forward", share(counts["hit none"], counts["all none"]))
    opened = counts["open reply-quote"]
    row(
        "replies called forward, without open questions",
        share(counts["hit reply-quote"] - counts["open hit reply-quote"], counts["all reply-quote"] - opened),
    )
    row("open questions among replies (no subject known)", share(counts["open hit reply-quote"], opened))
    row("author right", share(counts["author right"], counts["author"]))
    row("recipients right", share(counts["recipients right"], counts["recipients"]))
    row("attached forwards found", share(counts["attached found"], counts["attached"]))
    for name, each in sorted(by_language.items()):
        values = (
            f"found {each['found']}/{each['forwards']}, author {each['authors right']}/{each['authors']}, "
            f"called forward {each['called forward']}/{each['others']}"
        )
        row(f"language {name}", values)


def measure_enron(folder: Path) -> None:
    """Real mail between persons: marked forwards, and answers with header blocks (Notes and Outlook)."""
    files = members(folder)
    counts: Counter[str] = Counter()
    for label in labels(folder):
        octets = files.get(label["file"]) or files[Path(label["file"]).name]
        found = bool(forwarded(parse_message(octets), ForwardKind.INLINE))
        groups = {
            "marked": label["has_forward_marker"],
            "subject": label["kind"] == "inline-forward" and not label["has_forward_marker"],
            "reply": label["kind"] == "reply-quote" and label["subject_re"],
            "open": label["kind"] == "reply-quote" and not label["subject_re"],
            "none": label["kind"] == "none",
        }
        for group, within in groups.items():
            counts[group] += bool(within)
            counts[f"{group} found"] += bool(within) and found
            if within and found != (group in ("marked", "subject")):
                missed(group, label)
    if counts:
        print("enron: real mail")
        row("marked forwards found", share(counts["marked found"], counts["marked"]))
        row("forwards by subject and block found", share(counts["subject found"], counts["subject"]))
        row("reply blocks called forward (subject Re:)", share(counts["reply found"], counts["reply"]))
        row("blocks below a plain subject called forward", share(counts["open found"], counts["open"]))
        row("neither, called forward", share(counts["none found"], counts["none"]))


def measure_lists(folder: Path) -> float:
    """List posts: how often an ordinary post would count as a forward. Returns the slowest time in ms."""
    files = members(folder)
    counts: Counter[str] = Counter()
    slowest = 0.0
    for label in labels(folder):
        octets = files.get(label["file"]) or files[label["file"].partition("/")[2]]
        start = time.perf_counter()
        message = parse_message(octets)
        slowest = max(slowest, time.perf_counter() - start)
        kind = "nested" if label["nested_forward"] else label["kind"]
        found = bool(forwarded(message, ForwardKind.INLINE))
        counts[kind] += 1
        counts[f"{kind} found"] += found
        if kind != "nested" and found != (kind == "inline-forward"):
            missed(f"list {kind}", label)
        counts["attached found"] += kind == "attached-forward" and bool(forwarded(message, ForwardKind.ATTACHED))
    if counts:
        print("lists: real posts")
        row("inline forwards found", share(counts["inline-forward found"], counts["inline-forward"]))
        row("attached forwards found", share(counts["attached found"], counts["attached-forward"]))
        row("replies called forward", share(counts["reply-quote found"], counts["reply-quote"]))
        row("other posts called forward", share(counts["none found"], counts["none"]))
        row("replies that quote a forward, called forward", share(counts["nested found"], counts["nested"]))
    return slowest * 1000


def torture(folder: Path) -> Iterator[tuple[float, str]]:
    """(ms, name) of each file of the MIME set; an exception ends the run."""
    for name, octets in members(folder).items():
        start = time.perf_counter()
        parse_message(octets)
        yield (time.perf_counter() - start) * 1000, name


def main() -> int:
    """Print the figures; 0 also where there is nothing to measure."""
    place = os.environ.get("SMTPGUARD_CORPORA", "")
    if not place:
        print("skipped: SMTPGUARD_CORPORA is not set (see tests/corpus/README.md)")
        return 0
    root = Path(place)
    measure_fixtures(root / "forward")
    measure_enron(root / "enron")
    slowest = measure_lists(root / "lists")
    times = sorted(torture(root / "mime"), reverse=True)
    if slowest or times:
        print("time")
        row("slowest list post", f"{slowest:.1f} ms")
    if times:
        row("files of the MIME set without an exception", str(len(times)))
        row("slowest of them", f"{times[0][0]:.1f} ms ({times[0][1]})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
