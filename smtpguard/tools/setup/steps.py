"""What is left to do by hand, step by step, each with the very lines to type. The commands for Postfix are exact."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from smtpguard.lists import Manager
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.deployed import adapted
from smtpguard.tools.setup.found import Found
from smtpguard.tools.setup.lines import CLOSED_TABLE, Lines

# Beside smtpguard.yaml; the loader looks into lists/ and texts/ alone.
POSTFIX_FOLDER = "for-postfix"
NGINX_FOLDER = "for-nginx"
OWN_CERTIFICATE = "smtpguard.pem"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a sentence, and lines to type or to write."""

    what: str
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What the steps speak of: `config` is smtpguard.yaml as the admin names it, `zone` lines for the DNS."""

    answers: Answers
    found: Found
    lines: Lines
    site: Mapping[str, str]
    config: str
    zone: Sequence[str]

    @property
    def folder(self) -> str:
        """The folder of smtpguard.yaml, without a slash at its end."""
        return self.site["/etc/smtpguard/"].rstrip("/")

    @property
    def option(self) -> str:
        """What every command is told."""
        return f"--config {shlex.quote(self.config)}"


def steps(ground: Ground) -> list[Step]:
    """All steps, in an order in which each can be tried before the next."""
    in_front = ground.answers.place == "front"
    return [
        *(_certificate(ground) if in_front else ()),
        *_postfix(ground),
        *_zone(ground),
        *_lists(ground),
        _check(ground),
        *(_move(ground) if in_front else _filter(ground)),
        *_close(ground),
        *_page(ground),
        _firewall(ground),
        *_later(ground),
    ]


def written(all_steps: Sequence[Step], remarks: Sequence[str]) -> str:
    """The steps as a text for a person."""
    paragraphs = []
    for number, each in enumerate(all_steps, 1):
        paragraphs.append("\n".join((f"{number}. {each.what}", *(f"     {line}" for line in each.lines))))
    if remarks:
        paragraphs.append("\n".join(("Mind:", *(f" - {each}" for each in remarks))))
    return "\n\n".join(paragraphs) + "\n"


def _certificate(ground: Ground) -> Iterator[Step]:
    postfix = ground.found.postfix
    if postfix is not None and OWN_CERTIFICATE in postfix.files:
        return
    text = adapted("postfix/README.md", ground.site)
    made = [line.strip() for line in text.splitlines() if line.startswith(("    openssl ", "       openssl "))]
    made += [line.strip() for line in text.splitlines() if line.strip().startswith("install -m 644 ")]
    yield Step("A certificate for the port that nobody but the guard and Postfix use:", made)


def _postfix(ground: Ground) -> Iterator[Step]:
    lines, conf = ground.lines, ground.site["/etc/postfix/"]
    source = _ready(ground)
    typed = [f"cp {source}{name} {shlex.quote(conf)}" for name in lines.tables if name != CLOSED_TABLE]
    typed += [f"{_postconf(ground)} -e {shlex.quote(f'{name} = {value}')}" for name, value in lines.main.items()]
    if lines.master:
        typed.append(f"cat {source}master.cf >> {shlex.quote(conf + 'master.cf')}")
    if not typed:
        yield Step("Postfix has the guard's tables, lines and services already: nothing to do there.")
        return
    yield Step("The guard domain and the guard's ports in Postfix; members notice nothing:", [*typed, *_reload(ground)])


def _zone(ground: Ground) -> Iterator[Step]:
    if ground.zone:
        yield Step(
            "In the DNS, for the guard domain, unless it is there (and DKIM as for your other domains):", ground.zone
        )


def _lists(ground: Ground) -> Iterator[Step]:
    for each in ground.found.list_servers:
        if each.manager is Manager.MAILMAN3:
            typed = f"smtpguard import mailman {shlex.quote(each.url or '')} "
            typed += f"--user {shlex.quote(each.user)} " if each.user not in (None, "restadmin") else ""
            yield Step(f"The lists of Mailman (the password is admin_pass in {each.file}):", [typed + ground.option])
        else:
            typed = f"smtpguard import sympa /var/lib/sympa/list_data {ground.option}"
            yield Step("The lists of Sympa (who owns them: smtpguard import sympa --help):", [typed])
    if not ground.found.list_servers:
        name = (ground.answers.list_domains or (ground.answers.domain,))[0]
        yield Step("A file for each list:", [f"smtpguard new-list NAME@{name} {ground.option}"])


def _check(ground: Ground) -> Step:
    return Step(
        "Let it be looked at (once the guard runs, again: all lines must say ok):",
        [f"smtpguard check {ground.option}", f"smtpguard doctor {ground.option}"],
    )


def _move(ground: Ground) -> Iterator[Step]:
    old = [each.key for each in ground.lines.old]
    if old:
        typed = [f"{_postconf(ground)} -M# {' '.join(map(shlex.quote, old))}", *_reload(ground)]
        yield Step("When you want to begin: Postfix leaves the members' ports to the guard.", typed)
    yield _start(ground)


def _filter(ground: Ground) -> Iterator[Step]:
    yield _start(ground)
    typed = _set(ground, ground.lines.webmail)
    if typed:
        yield Step("When you want to begin: Postfix shows the guard what webmail sends.", [*typed, *_reload(ground)])


def _start(ground: Ground) -> Step:
    if ground.found.has_unit:
        return Step("Start the guard:", ["systemctl enable --now smtpguard"])
    return Step(
        "Start the guard, as a user of its own who may read these files and listen on these ports:",
        [f"smtpguard serve {ground.option}"],
    )


def _close(ground: Ground) -> Iterator[Step]:
    conf = shlex.quote(ground.site["/etc/postfix/"])
    typed = [f"cp {_ready(ground)}{name} {conf}" for name in ground.lines.tables if name == CLOSED_TABLE]
    typed += _set(ground, ground.lines.closed)
    if ground.lines.closed:
        yield Step("Close the guard domain to the world, on port 25:", [*typed, *_reload(ground)])


def _page(ground: Ground) -> Iterator[Step]:
    if ground.answers.page is not None:
        source = shlex.quote(f"{ground.folder}/{NGINX_FOLDER}/smtpguard.conf")
        yield Step(
            "The page: nginx in front of it. Put its certificate where this file says, or write there where it is:",
            [f"cp {source} /etc/nginx/conf.d/", "nginx -t && systemctl reload nginx"],
        )


def _firewall(ground: Ground) -> Step:
    source = shlex.quote(f"{ground.folder}/{POSTFIX_FOLDER}/smtpguard.nft")
    return Step(
        "Where others share this machine: nobody else may reach the guard's ports (by users: read the file).",
        [f"nft -c -f {source} && nft -f {source}"],
    )


def _later(ground: Ground) -> Iterator[Step]:
    if ground.answers.on_alarm == "observe":
        yield Step(
            "After two weeks, see what would have been asked; then tell members, and write `on_alarm: hold`.",
            [f"smtpguard stats {ground.option}"],
        )


def _ready(ground: Ground) -> str:
    return shlex.quote(f"{ground.folder}/{POSTFIX_FOLDER}/")


def _set(ground: Ground, options: Mapping[str, str]) -> list[str]:
    return [f"{_postconf(ground)} -P {shlex.quote(f'{key}={value}')}" for key, value in options.items()]


def _postconf(ground: Ground) -> str:
    return f"postconf{_where(ground)}"


def _reload(ground: Ground) -> list[str]:
    where = _where(ground)
    return [f"postfix{where} check && postfix{where} reload"]


def _where(ground: Ground) -> str:
    folder = ground.site["/etc/postfix/"].rstrip("/")
    return "" if folder == "/etc/postfix" else f" -c {shlex.quote(folder)}"
