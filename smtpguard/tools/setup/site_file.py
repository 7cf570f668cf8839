"""The text of smtpguard.yaml: doors and ways as deploy/postfix has them, and around them what was answered."""

from __future__ import annotations

from collections.abc import Mapping

from smtpguard.tools.schema import EDITOR_LINE, FILE_NAMES
from smtpguard.tools.setup.answers import Answers
from smtpguard.tools.setup.deployed import adapted, parts_of

# systemd's StateDirectory=smtpguard is this folder (systemd.exec(5)).
STATE_DIR = "/var/lib/smtpguard"
_SHIPPED = {"front": "postfix/smtpguard.yaml", "filter": "postfix/filter.smtpguard.yaml"}

_TEXT = """\
{editor}# smtpguard.yaml - the settings of the site, made by `smtpguard setup`. What stands after a # is for people.
# The lists have their own files in lists/ beside this. After a change: smtpguard check --config {config}
# All other settings, with a word each: smtpguard manual smtpguard.yaml.5 | man -l -

# ---------------------------------------------------------------- who we are
organisation: {organisation}
address: {address}       # the guard itself: notices come from here, answers go here
contact: {contact}       # a person
# call: "Office, 555 0100, mornings"   # whom members may ring up instead of answering
{page}languages: [{languages}]
timezone: {timezone}

# ---------------------------------------------------------------- where mail comes in
{listeners}{tls}
# ---------------------------------------------------------------- where mail goes
{upstream}{outbox}
# ---------------------------------------------------------------- who is who
{list_domains}# list_addresses: [board@{domain}]   # lists that have their address elsewhere
account_domain: {domain}       # the login "anna" has the mailbox anna@{domain}
# accounts:                              # logins for which that is not so
#   scanner: {{mailbox: null, automatic: true}}   # a program that sends by itself
member_domains: [{domain}]
desks: [postmaster@{domain}, abuse@{domain}]   # mail to these is never looked at

# ---------------------------------------------------------------- what is decided
defaults:
  on_alarm: {on_alarm}{on_alarm_word}

# ---------------------------------------------------------------- what is kept
state_dir: {state_dir}
{web}"""

_OBSERVE = "       # all is sent and only counted. After two weeks look at `smtpguard stats`, then write hold"
_PAGE = """
# ---------------------------------------------------------------- the page
web:
  listen: "127.0.0.1:{port}"
"""


def site_text(answers: Answers, site: Mapping[str, str], config: str, state_dir: str, page_port: str) -> str:
    """The whole file; `site` are the values for the files of deploy/."""
    parts = parts_of(adapted(_SHIPPED[answers.place], site))
    tls = parts.get("tls", "")
    if answers.certificate is not None:
        tls = f"tls: {{certificate: {answers.certificate}, key_file: {answers.key}}}\n"
    return _TEXT.format(
        editor=f"{EDITOR_LINE}{FILE_NAMES['site']}\n",
        config=config,
        organisation=_quoted(answers.organisation),
        address=answers.address.normal,
        contact=answers.contact.normal,
        page=f'public_url: "{answers.page}"\n' if answers.page else "",
        languages=", ".join(answers.languages),
        timezone=answers.timezone,
        listeners=parts["listeners"],
        tls=tls,
        upstream=parts.get("upstream", ""),
        outbox=parts["outbox"],
        list_domains=f"list_domains: [{', '.join(answers.list_domains)}]\n" if answers.list_domains else "",
        domain=answers.domain,
        on_alarm=answers.on_alarm,
        on_alarm_word=_OBSERVE if answers.on_alarm == "observe" else "",
        state_dir=_quoted(state_dir),
        web=_PAGE.format(port=page_port) if answers.page else "",
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
