"""Settings of a Postfix in a folder of their own, and `smtpguard setup` beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from smtpguard.cli import main
from tests.conftest import REMEDY
from tests.logs import restored_loggers

POSTCONF = shutil.which("postconf") or shutil.which("postconf", path="/usr/sbin")

MAIN = """\
compatibility_level = 3.6
myhostname = mail.example.org
mydomain = example.org
mydestination = $myhostname, localhost
virtual_mailbox_domains = example.org
relay_domains = lists.example.org
relay_recipient_maps = hash:/var/lib/mailman3/data/postfix_lmtp
transport_maps = hash:/var/lib/mailman3/data/postfix_lmtp
smtpd_sender_login_maps = hash:/etc/postfix/sender_logins
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_cert_file = /etc/ssl/mail.example.org.pem
smtpd_tls_key_file = /etc/ssl/private/mail.example.org.key
smtpd_recipient_restrictions = reject_unknown_recipient_domain, check_policy_service unix:private/policy
"""
# As Debian ships them, with submission switched on and a line of the admin's own.
MASTER = """\
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o content_filter=scan:[127.0.0.1]:10024
smtps     inet  n       -       y       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
cleanup   unix  n       -       y       -       0       cleanup
"""

GIVEN = ("--organisation", "Riverside Gardeners", "--timezone", "Europe/Berlin")


def postfix_in(folder: Path, main: str = MAIN, master: str = MASTER) -> Path:
    """The folder, with these two files in it. Skips the test where there is no postconf."""
    if POSTCONF is None:
        pytest.skip(f"Postfix is missing here; {REMEDY}")
    folder.mkdir(parents=True)
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(master)
    return folder


def postconf(folder: Path, *arguments: str) -> str:
    """What this Postfix says of itself."""
    assert POSTCONF is not None
    done = subprocess.run(
        [POSTCONF, "-c", str(folder), *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def setup(postfix: Path, config: Path, *more: str | Path, typed: str | None = None, **environment: str) -> Result:
    """`smtpguard setup` without the DNS. What is `typed` is echoed, as on a terminal; without it nobody is asked."""
    arguments = ["setup", "--postfix", postfix, "--config", config, "--without-dns", *more]
    arguments += [] if typed is not None else ["--yes"]
    with restored_loggers():
        runner = CliRunner(echo_stdin=True, env={"LC_ALL": "C", "LANG": "C", **environment})
        return runner.invoke(main, [*map(str, arguments)], input=typed)


def type_steps(said: str, programs: Sequence[str] = ("cp", "cat", "postconf")) -> list[str]:
    """Let a shell do what setup has printed, as far as these programs are called; the lines that were done."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("     ")]
    typed = [line for line in lines if line.split()[0] in programs]
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    for line in typed:
        subprocess.run(["/bin/sh", "-ec", line], timeout=60, check=True, env={**os.environ, "PATH": path})
    return typed
