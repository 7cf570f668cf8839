"""Looking around on the machine: Postfix, list managers, time zone and language. Nothing is changed, all is bounded."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from smtpguard.config.places import is_domain
from smtpguard.config.sources import FileError, regular_octets
from smtpguard.lists import Manager
from smtpguard.mail.address import domain_normal
from smtpguard.tools.importing.described import SourceError
from smtpguard.tools.importing.web_server import Login, WebServer
from smtpguard.tools.setup.found import Found, ListServer, Postfix
from smtpguard.tools.setup.postfix import PostfixError, look_at_postfix

MAILMAN_FILES = ("/etc/mailman3/mailman.cfg", "/etc/mailman.cfg", "/opt/mailman/mm/mailman.cfg")
SYMPA_FILES = ("/etc/sympa/sympa/sympa.conf", "/etc/sympa/sympa.conf", "/etc/sympa.conf")
# systemd.unit(5): where an admin's, and a package's, units lie.
_UNITS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
_UNIT = "smtpguard.service"
# Both files are a few KB.
OCTETS_MAX = 1024 * 1024
# A Mailman that is up answers at once, and setup must not stand still because of one that is not.
REST_SECONDS = 10.0
# More mail domains than this on one list server would be no first configuration.
DOMAINS_MAX = 100


class LookError(Exception):
    """What the admin named cannot be looked at; the text says why."""


def look_around(
    postfix: Path | None, mailman: str | None, sympa: Path | None, environment: Mapping[str, str] | None = None
) -> Found:
    """All that can be found. `postfix` is a folder of settings, `mailman` its mailman.cfg or the address of its REST
    interface, `sympa` its sympa.conf; None: where they usually are.

    Raises LookError for something that was named and cannot be read; what is merely absent is not there.
    """
    remarks: list[str] = []
    server: Postfix | None = None
    try:
        server = look_at_postfix(postfix)
    except PostfixError as error:
        if postfix is not None:
            raise LookError(f"Postfix in {postfix}: {error}") from error
        remarks.append(f"Postfix was not found: {error}.")
    if server is not None and server.pair is None and len(chain := server.words("smtpd_tls_chain_files")) > 1:
        remarks.append(
            f"Which of {', '.join(chain)} has the certificate, and which its key, cannot be told: name them yourself."
        )
    managers = [each for each in (_mailman(mailman, remarks), _sympa(sympa)) if each is not None]
    unit = any((Path(each) / _UNIT).exists() for each in _UNITS)
    language = _language(os.environ if environment is None else environment)
    return Found(server, tuple(managers), _timezone(), language, unit, tuple(remarks))


def _mailman(named: str | None, remarks: list[str]) -> ListServer | None:
    if named is not None and named.startswith(("http://", "https://")):
        return ListServer(Manager.MAILMAN3, "mailman.cfg", url=named)
    file = _file(named, MAILMAN_FILES)
    if file is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text(file))
    except configparser.Error as error:
        raise LookError(f"{file} is no file of settings of Mailman: {str(error).splitlines()[0]}") from error
    # Mailman's own defaults (mailman/config/schema.cfg).
    said = dict(parser["webservice"]) if parser.has_section("webservice") else {}
    scheme = "https" if said.get("use_https", "no").lower() in ("yes", "true", "on", "1") else "http"
    url = f"{scheme}://{said.get('hostname', 'localhost')}:{said.get('port', '8001')}/{said.get('api_version', '3.1')}"
    user = said.get("admin_user", "restadmin")
    domains: tuple[str, ...] = ()
    try:
        login = Login(user, said.get("admin_pass", "restpass"))
        server = WebServer(url, login, call_seconds=REST_SECONDS, whole_seconds=REST_SECONDS)
        domains = _mailman_domains(server.value("/domains"))
    except SourceError as error:
        remarks.append(f"Mailman's REST interface did not tell its domains: {error}")
    return ListServer(Manager.MAILMAN3, str(file), domains, url, user)


def _mailman_domains(answer: object) -> tuple[str, ...]:
    entries = answer.get("entries", ()) if isinstance(answer, dict) else ()
    hosts = [each.get("mail_host") for each in entries if isinstance(each, dict)]
    return _domains([each for each in hosts if isinstance(each, str)])


def _sympa(named: Path | None) -> ListServer | None:
    file = _file(None if named is None else str(named), SYMPA_FILES)
    if file is None:
        return None
    said = dict(line.split(None, 1) for line in _text(file).splitlines() if len(line.split(None, 1)) == 2)
    # 6.2 says `domain`, older files `host`; each further domain is a folder with a robot.conf.
    first = said.get("domain", said.get("host", ""))
    folders = {file.parent, file.parent.parent if file.parent.name == "sympa" else file.parent}
    try:
        robots = sorted(each.parent.name for folder in folders for each in folder.glob("*/robot.conf"))
    except OSError:
        robots = []
    domains = _domains([first, *robots])
    if named is not None and not domains:
        raise LookError(f"{file} names no domain: is this Sympa's sympa.conf?")
    return ListServer(Manager.SYMPA, str(file), domains)


def _file(named: str | None, usual: tuple[str, ...]) -> Path | None:
    if named is not None:
        return Path(named)
    return next((Path(each) for each in usual if os.access(each, os.R_OK)), None)


def _text(file: Path) -> str:
    try:
        return regular_octets(file, OCTETS_MAX).decode("utf-8", "replace")
    except FileError as error:
        raise LookError(f"{file} {error}") from error


def _domains(names: list[str]) -> tuple[str, ...]:
    found = (domain_normal(each.strip()) for each in names[:DOMAINS_MAX])
    return tuple(dict.fromkeys(each for each in found if is_domain(each)))


def _timezone() -> str | None:
    """The machine's: /etc/timezone of Debian, else where /etc/localtime points (localtime(5))."""
    try:
        name = Path("/etc/timezone").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    if not name:
        _, _, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return name or None


def _language(environment: Mapping[str, str]) -> str | None:
    """That of the admin's own session (locale(7)); C and POSIX are none."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name, ""):
            code = value.partition(".")[0].partition("_")[0].lower()
            return code if code.isalpha() and len(code) in (2, 3) else None
    return None
