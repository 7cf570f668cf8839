"""The DNS of the members' domain and of the guard domain: asked all at once, and what it means for a new guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from smtpguard.config.problems import printable
from smtpguard.tools.doctor.premises import is_public_name
from smtpguard.tools.setup.answers import Answers
from smtpguard.upstream import UpstreamError
from smtpguard.upstream.resolution import Found as Answer
from smtpguard.upstream.resolution import Resolver

# All questions side by side; whoever has no DNS does not wait longer than this.
SECONDS = 12.0
# A record of others, in a line for a person.
CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Records:
    """The answers by name and type, as text; () if there is no such record. What is not in it was not answered."""

    known: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    silent: bool = False

    def __getitem__(self, question: tuple[str, str]) -> tuple[str, ...] | None:
        return self.known.get(question)


async def look_up(answers: Answers, resolver: Resolver | None = None) -> Records:
    """Ask for what `name_steps` needs. Never raises for what the DNS does."""
    asked = resolver or Resolver()
    guard = answers.guard_domain
    wanted = [(guard, each) for each in ("MX", "A", "AAAA", "TXT")] + [(f"_dmarc.{guard}", "TXT")]
    wanted += [(each, "MX") for each in (answers.domain, *answers.list_domains)]
    wanted = [each for each in wanted if is_public_name(each[0])]
    tasks = {each: asyncio.create_task(asked.look_up(*each)) for each in wanted}
    if not tasks:
        return Records()
    await asyncio.wait(tasks.values(), timeout=SECONDS)
    known = {}
    for question, task in tasks.items():
        if not task.done():
            task.cancel()
            continue
        try:
            known[question] = _texts(task.result())
        except UpstreamError:
            pass  # not known
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return Records(known, silent=not known)


def name_remarks(answers: Answers, records: Records) -> Iterator[str]:
    """What the DNS says, in sentences."""
    if records.silent:
        yield "The DNS did not answer, so nothing is known of these domains."
        return
    for domain in (answers.domain, *answers.list_domains):
        hosts = records[domain, "MX"]
        if hosts:
            names = [each.split()[-1].rstrip(".").lower() for each in hosts]
            other = "" if answers.server in names else f", and not to {answers.server}"
            yield f"{domain}: mail for it goes to {', '.join(sorted(names))}{other} (MX)."


def name_lines(answers: Answers, records: Records) -> list[str]:
    """The lines that a zone file lacks for the guard domain."""
    guard, lines = f"{answers.guard_domain}.", []
    if not records[answers.guard_domain, "MX"]:
        lines.append(f"{guard} IN MX 10 {answers.server}.")
    if not any(each.lower().startswith("v=spf1") for each in records[answers.guard_domain, "TXT"] or ()):
        lines.append(f'{guard} IN TXT "v=spf1 a:{answers.server} -all"')
    if not any(each.lower().startswith("v=dmarc1") for each in records[f"_dmarc.{answers.guard_domain}", "TXT"] or ()):
        lines.append(f'_dmarc.{guard} IN TXT "v=DMARC1; p=reject; adkim=s; aspf=s"')
    return lines


def _texts(found: Answer) -> tuple[str, ...]:
    if found.records is None:
        return ()
    texts = []
    for each in found.records:
        strings = getattr(each, "strings", None)
        text = each.to_text() if strings is None else b"".join(strings).decode("utf-8", "replace")
        texts.append(printable(text[:CHARACTERS_MAX]))
    return tuple(sorted(texts))
