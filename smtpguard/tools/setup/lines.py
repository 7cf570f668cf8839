"""The mail server's lines: those of deploy/ for this site, beside those that Postfix has already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from smtpguard.lists import Manager
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.deployed import adapted, table
from smtpguard.tools.setup.found import Found, Postfix, Service

TABLES = ("smtpguard_domain", "smtpguard_recipients", "smtpguard_senders")
# What comes besides: at port 25, and behind a filter.
CLOSED_TABLE = "smtpguard_closed"
FILTER_TABLE = "smtpguard_login"
# What master.cf may call a port (services(5)); of others the number stands there.
_NAMED_PORTS = {"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465", "ssmtp": "465", "lmtp": "24"}
# Where a service stands in the way of ours on 127.0.0.1; at another address of the machine it does not.
_HERE = ("", "127.0.0.1", "[127.0.0.1]", "localhost", "0.0.0.0", "[0.0.0.0]", "[::]")  # noqa: S104 - to compare with
_OPTION = re.compile(r"^  -o ([\w]+)=(.*)$", re.MULTILINE)
# What is added to the service that webmail logs in to: the rest of that service is the admin's own.
FILTER_OPTIONS = ("smtpd_proxy_filter", "smtpd_proxy_timeout", "smtpd_sasl_authenticated_header")
_RECIPIENTS = "smtpd_recipient_restrictions"
# The one parameter in which the order of tables counts for the guard.
_SENDERS = "smtpd_sender_login_maps"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the guard listens, and the ports of Postfix that only the guard uses. All but the first two are here."""

    submission: str = "0.0.0.0:587"
    submissions: str = "0.0.0.0:465"
    members_port: str = "3587"
    outbox_port: str = "3588"
    answers_port: str = "2526"
    filter_port: str = "10025"
    reentry_port: str = "10026"
    page_port: str = "8025"


@dataclass(frozen=True, slots=True)
class Lines:
    """What Postfix lacks.

    `tables` are texts of files, `main` parameters with their whole new value, and `master` the text of services for the
    end of master.cf. `webmail` and `closed` are options for services that are there, by what postconf -P calls them:
    for those that webmail logs in to, and for port 25.

    `old` are services that must go once the guard listens in their place. `clashes` and `remarks` are sentences:
    with the former it will not work.
    """

    tables: Mapping[str, str]
    main: Mapping[str, str]
    master: str
    webmail: Mapping[str, str]
    closed: Mapping[str, str]
    old: tuple[Service, ...]
    clashes: tuple[str, ...]
    remarks: tuple[str, ...]


def site_values(answers: Answers, doors: Doors, postfix: Postfix | None, folder: str) -> dict[str, str]:
    """Each value of the table of deploy/README.md for this site; `folder` is that of smtpguard.yaml.

    What setup does not ask about stays as it is in the table.
    """
    lists = answers.list_domains or (answers.domain,)
    return {
        **{value: value for value in table()},
        "example.org": answers.domain,
        "mail.example.org": answers.server,
        "check.example.org": answers.guard_domain,
        "mailcheck": answers.address.local_part,
        "lists.example.org": lists[0],
        **_page_values(answers.page),
        "/etc/postfix/": f"{postfix.folder if postfix else '/etc/postfix'}/",
        "/etc/smtpguard/": f"{folder}/",
        "0.0.0.0:587": doors.submission,
        "0.0.0.0:465": doors.submissions,
        "3587": doors.members_port,
        "3588": doors.outbox_port,
        "2526": doors.answers_port,
        "10025": doors.filter_port,
        "10026": doors.reentry_port,
        "127.0.0.1:8025": f"127.0.0.1:{doors.page_port}",
    }


def _page_values(page: str | None) -> dict[str, str]:
    """Those of the web server in front of the page; certificates lie where deploy/ has them, by the page's name."""
    if page is None:
        return {}
    parts = urlsplit(page)
    host, example = parts.hostname or "", "mailcheck.example.org"
    return {
        example: host,
        "listen 443": f"listen {parts.port or 443}",
        f"/etc/ssl/{example}.pem": f"/etc/ssl/{host}.pem",
        f"/etc/ssl/private/{example}.key": f"/etc/ssl/private/{host}.key",
    }


def doors_that_are_there(answers: Answers, doors: Doors, postfix: Postfix, folder: str) -> Doors:
    """`doors` with the ports at which Postfix has our services already, wherever somebody has put them."""
    names = {"members_port": "members.master.cf", "outbox_port": "members.master.cf"}
    if answers.place == "filter":
        names = {"outbox_port": "filter.master.cf", "reentry_port": "filter.master.cf"}
    site = site_values(answers, doors, postfix, folder)
    ours = {door: _at(adapted(f"postfix/{name}", site), getattr(doors, door)) for door, name in names.items()}
    found = {}
    for door, service in ours.items():
        ports = [each.name.removeprefix("127.0.0.1:") for each in postfix.services if each.has(service)]
        if service is not None and ports and ports[0].isdigit():
            found[door] = ports[0]
    return replace(doors, **found)


def lines(answers: Answers, site: Mapping[str, str], found: Found) -> Lines:
    """What has to be added to this Postfix; without one, everything."""
    postfix = found.postfix or Postfix(site["/etc/postfix/"].rstrip("/"), {}, {}, ())
    name = "members.master.cf" if answers.place == "front" else "filter.master.cf"
    wanted = list(_services(adapted(f"postfix/{name}", site)))
    webmail_lacks: dict[str, str] = {}
    if answers.place == "filter":
        [(_, webmail), *wanted] = wanted
        for each in postfix.submissions:
            lacking = {key: webmail.options[key] for key in FILTER_OPTIONS if key not in each.options}
            webmail_lacks |= {f"{each.key}/{key}": value for key, value in lacking.items()}
    missing, clashes = [], []
    for text, service in wanted:
        here = next((each for each in postfix.services if each.key == service.key), None)
        if here is None:
            missing.append(text)
        elif not here.has(service):
            clashes.append(f"master.cf has a service {service.key} already, and it is not the guard's.")
    clashes += _taken(answers, site, postfix)
    old = postfix.submissions if answers.place == "front" else ()
    lost = _lost(old, [service for _, service in wanted])
    tables = TABLES if answers.place == "front" else (*TABLES, FILTER_TABLE)
    shipped = {each: adapted(f"postfix/{each}", site) for each in (*tables, CLOSED_TABLE)}
    return Lines(
        {each: text for each, text in shipped.items() if postfix.tables.get(each) != text},
        dict(_main(adapted("postfix/main.cf", site), postfix)),
        "\n\n".join(missing) + "\n" if missing else "",
        webmail_lacks,
        _closed(site, postfix),
        old,
        tuple(clashes),
        (*lost, *_remarks(answers, site, found, postfix)),
    )


def _taken(answers: Answers, site: Mapping[str, str], postfix: Postfix) -> Iterator[str]:
    """The guard's own ports that Postfix listens at, and those given twice. Those of members Postfix has until they are
    moved."""
    own = ["2526"] if answers.place == "front" else ["2526", "10025"]
    others = ["3587", "3588"] if answers.place == "front" else ["3588", "10026"]
    used: dict[str, set[str]] = {}
    for each in postfix.services:
        host, _, port = each.name.rpartition(":")
        if each.kind == "inet" and host in _HERE:
            used.setdefault(_NAMED_PORTS.get(port, port), set()).add(each.name)
    for port in (site[each] for each in own):
        if port in used:
            yield f"master.cf has a service at port {port}, where the guard is to listen."
    for port in (site[each] for each in others):
        # A service of the very name that ours gets is looked at whole (`lines`).
        if names := sorted(used.get(port, set()) - {f"127.0.0.1:{port}"}):
            yield f"master.cf has {', '.join(names)} already, at port {port}, which is to be the guard's."
    page = [site["127.0.0.1:8025"].rpartition(":")[2]] if answers.page is not None else []
    if answers.place == "front":
        page += [site[each].rpartition(":")[2] for each in ("0.0.0.0:587", "0.0.0.0:465")]
    for port, times in Counter([*(site[each] for each in (*own, *others)), *page]).items():
        if times > 1:
            yield f"port {port} is given twice."


def _at(text: str, port: str) -> Service:
    return next(each for _, each in _services(text) if each.name == f"127.0.0.1:{port}")


def _services(text: str) -> Iterator[tuple[str, Service]]:
    """The services of a file of deploy/, each with its text and the remarks above it."""
    for block in re.split(r"\n\n+", text.strip()):
        said = [line for line in block.splitlines() if not line.startswith("#")]
        if said:
            columns = said[0].split()
            yield block, Service(columns[0], columns[1], columns[7], dict(_OPTION.findall(block)))


def _main(text: str, postfix: Postfix) -> Iterator[tuple[str, str]]:
    """Each parameter that lacks our value, with ours in front: the first table that knows an address decides."""
    for line in text.splitlines():
        name, divided, ours = (each.strip() for each in line.partition("="))
        now = postfix.words(name)
        if line.startswith("#") or not divided or ours in (now[:1] if name == _SENDERS else now):
            continue
        # As it is written, so that $names stay; a default that comes to nothing is left out.
        others = postfix.written[name] if now else ""
        if ours in now:
            others = re.sub(rf"(?<![^\s,]){re.escape(ours)}(?![^\s,])[\s,]*", "", others).strip(" ,")
        yield name, f"{ours}, {others}" if others else ours


def _closed(site: Mapping[str, str], postfix: Postfix) -> dict[str, str]:
    """The option that closes port 25 to the guard domain, in front of the restrictions that hold there now."""
    service = postfix.port_25
    if service is None:
        return {}
    [(_, ours)] = _services(adapted("postfix/closed.master.cf", site))
    value = ours.options[_RECIPIENTS]
    now = service.options.get(_RECIPIENTS, postfix.written.get(_RECIPIENTS, ""))
    if value in re.sub(r"[\s,]+", ",", now):
        return {}
    return {f"{service.key}/{_RECIPIENTS}": f"{value},{re.sub(r'[ ,]+', ',', now)}".rstrip(",")}


def _lost(old: tuple[Service, ...], ours: list[Service]) -> Iterator[str]:
    """Options of the services that go, which none of ours has. The usual ones say what ours say."""
    known = {name for each in ours for name in each.options} | {"smtpd_tls_wrappermode", "milter_macro_daemon_name"}
    for each in old:
        options = [f"-o {name}={value}" for name, value in each.options.items() if name not in known]
        if options:
            yield f"{each.key} has {', '.join(options)}: the guard's port has not. Add what you need there."


def _remarks(answers: Answers, site: Mapping[str, str], found: Found, postfix: Postfix) -> Iterator[str]:
    relayed = [each for each in postfix.words("relay_domains") if each != answers.guard_domain]
    if relayed and not postfix.words("relay_recipient_maps"):
        yield (
            f"relay_recipient_maps was empty, so every recipient in {', '.join(relayed)} passed. Now each of these "
            "domains needs a table there with its recipients (of Mailman: data/postfix_lmtp)."
        )
    if found.postfix is not None and not postfix.words(_SENDERS):
        yield (
            "smtpd_sender_login_maps was empty: put a table there that says which login may write as whom, behind the "
            "guard's, or nobody but the guard can send at its ports."
        )
    if answers.place == "filter" and postfix.words("header_checks"):
        yield (
            f"main.cf has header_checks: write {postfix.written['header_checks']} behind the guard's table in "
            "`guardclean`, or they no longer count for this mail."
        )
    if answers.place == "filter" and found.postfix is not None and not postfix.submissions:
        [(_, webmail), *_] = _services(adapted("postfix/filter.master.cf", site))
        options = ", ".join(f"{name}={webmail.options[name]}" for name in FILTER_OPTIONS)
        yield f"master.cf has no submission service: give the one that webmail logs in to these options: {options}."
    for each in found.list_servers:
        others = [one for one in each.domains if one not in answers.list_domains]
        if others:
            who = "Mailman" if each.manager is Manager.MAILMAN3 else "Sympa"
            yield f"{who} also has lists in {', '.join(others)}."
    if found.postfix is not None and found.postfix.port_25 is None:
        yield "master.cf has no service at port 25: close the guard domain wherever mail from outside comes in."
