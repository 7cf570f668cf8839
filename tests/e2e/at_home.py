"""Members' mail programs as a user starts them, each in a home folder of its own that nobody else's settings are in.

Four are given the mail (smtplib, swaks, msmtp, curl), two write it themselves (mutt, s-nail). All say what came of it
by their exit code and by what they print.
"""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.e2e.mail_programs import PATIENCE, Place
from tests.e2e.stack import Member
from tests.e2e.writing import letter

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Errand:
    """One mail for a program to send. `implicit`: TLS from the first octet instead of STARTTLS."""

    home: Path
    ca_file: Path
    place: Place
    implicit: bool
    sender: Member
    to: Sequence[str]
    subject: str
    text: str
    password: str = ""
    mechanism: str = "PLAIN"
    options: Sequence[str] = field(default=())

    @property
    def secret(self) -> str:
        return self.password or self.sender.password

    @property
    def content(self) -> bytes:
        """The mail for a program that does not write it itself."""
        return letter(self.sender, self.to, self.subject, self.text, fields=(
            "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit",
        ))  # fmt: skip

    @property
    def host_in_url(self) -> str:
        host, port = self.place
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Outcome(NamedTuple):
    """What the user sees."""

    code: int
    output: str


Program = Callable[[Errand], Outcome]


def script(errand: Errand) -> Outcome:
    """A script of a few lines, with Python's own client."""
    context = ssl.create_default_context(cafile=str(errand.ca_file))
    try:
        if errand.implicit:
            client: smtplib.SMTP = smtplib.SMTP_SSL(*errand.place, timeout=PATIENCE, context=context)
        else:
            client = smtplib.SMTP(*errand.place, timeout=PATIENCE)
        with client:
            if not errand.implicit:
                client.starttls(context=context)
            client.login(errand.sender.login, errand.secret)
            client.sendmail(errand.sender.address, list(errand.to), errand.content, list(errand.options))
    except smtplib.SMTPRecipientsRefused as refused:
        return Outcome(1, "\n".join(f"{code} {text.decode()}" for code, text in refused.recipients.values()))
    except smtplib.SMTPResponseException as refused:
        text = refused.smtp_error
        return Outcome(1, f"{refused.smtp_code} {text.decode() if isinstance(text, bytes) else text}")
    return Outcome(0, "")


def swaks(errand: Errand) -> Outcome:
    """The Swiss army knife: prints the whole session."""
    host, port = errand.place
    return _run(
        errand, "swaks", "-6" if ":" in host else "-4", "--server", host, "--port", str(port),
        "--tls-on-connect" if errand.implicit else "--tls", "--tls-verify", "--tls-ca-path", str(errand.ca_file),
        "--auth", errand.mechanism, "--auth-user", errand.sender.login, "--auth-password", errand.secret,
        "--from", errand.sender.address, "--to", ",".join(errand.to), "--data", "-", *errand.options,
        stdin=errand.content.replace(b"\r\n", b"\n").removesuffix(b"\n"),  # it adds one itself
    )  # fmt: skip


def msmtp(errand: Errand) -> Outcome:
    """A sendmail for one user: pipelines by itself."""
    settings = errand.home / ".msmtprc"
    settings.write_text(
        f"account default\nhost {errand.place[0]}\nport {errand.place[1]}\nfrom {errand.sender.address}\n"
        f"tls on\ntls_starttls {'off' if errand.implicit else 'on'}\ntls_trust_file {errand.ca_file}\n"
        f'auth {errand.mechanism.lower()}\nuser {errand.sender.login}\npassword "{errand.secret}"\n'
    )
    settings.chmod(0o600)
    return _run(
        errand, "msmtp", f"--file={settings}", *errand.options, "--", *errand.to,
        stdin=errand.content.replace(b"\r\n", b"\n"),
    )  # fmt: skip


def mutt(errand: Errand) -> Outcome:
    """Without its screen. What the server said to a wrong password stands in its protocol only."""
    login = quote(errand.sender.login, safe="")
    settings = errand.home / "muttrc"
    settings.write_text(
        f'set smtp_url="smtp{"s" if errand.implicit else ""}://{login}@{errand.host_in_url}/"\n'
        f'set realname="Anna"\nset smtp_pass="{errand.secret}"\nset smtp_authenticators="{errand.mechanism.lower()}"\n'
        f'set ssl_force_tls=yes\nset ssl_starttls=yes\nset ssl_ca_certificates_file="{errand.ca_file}"\n'
        f'set from="{errand.sender.address}"\nset use_envelope_from=yes\nset copy=no\n'
        'set hostname="desk.example.test"\nset allow_8bit=yes\nset use_8bitmime=yes\n'
        'set charset="utf-8"\nset send_charset="us-ascii:utf-8"\n'
    )
    done = _run(
        errand, "mutt", "-d2", "-n", "-F", str(settings), "-s", errand.subject, "--", *errand.to,
        stdin=errand.text.encode(),
    )  # fmt: skip
    protocol = errand.home / ".muttdebug0"
    return Outcome(done.code, done.output + (protocol.read_text(errors="replace") if protocol.exists() else ""))


def s_nail(errand: Errand) -> Outcome:
    """mailx with a network. It looks for names in a certificate, never for addresses."""
    address = {"127.0.0.1": "localhost"}.get(errand.place[0], errand.place[0])
    login, secret = quote(errand.sender.login, safe=""), quote(errand.secret, safe="")
    kind = "smtps" if errand.implicit else "smtp"
    return _run(
        errand, "s-nail", "-:/", "-Sv15-compat", f"-Smta={kind}://{login}:{secret}@{address}:{errand.place[1]}",
        *(() if errand.implicit else ("-Ssmtp-use-starttls",)), f"-Ssmtp-auth={errand.mechanism.lower()}",
        f"-Stls-ca-file={errand.ca_file}", "-Stls-ca-no-defaults", "-Stls-verify=strict", "-Snosave",
        f"-Sfrom={errand.sender.address}", "-Shostname=desk.example.test", "-Ssendwait", "-Sttycharset=utf-8",
        f"-s{errand.subject}", *errand.to,
        stdin=errand.text.encode(),
    )  # fmt: skip


def curl(errand: Errand) -> Outcome:
    """curl takes the name for EHLO from the path."""
    recipients = [word for each in errand.to for word in ("--mail-rcpt", each)]
    return _run(
        errand, "curl", "-q", "-sS", "-v", "--url",
        f"smtp{'s' if errand.implicit else ''}://{errand.host_in_url}/desk.example.test", "--ssl-reqd",
        "--cacert", str(errand.ca_file), "--user", f"{errand.sender.login}:{errand.secret}",
        "--login-options", f"AUTH={errand.mechanism}", "--mail-from", errand.sender.address, *recipients,
        "--upload-file", "-", *errand.options,
        stdin=errand.content,
    )  # fmt: skip


PROGRAMS: dict[str, Program] = {
    "smtplib": script, "swaks": swaks, "msmtp": msmtp, "mutt": mutt, "s-nail": s_nail, "curl": curl,
}  # fmt: skip


def _run(errand: Errand, *command: str, stdin: bytes) -> Outcome:
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
        cwd=errand.home,
        # Nothing of the user's who runs the tests: neither settings nor a proxy.
        env={"HOME": str(errand.home), "PATH": PATH, "LANG": "C.UTF-8"},
        start_new_session=True,  # no terminal to ask anybody on
    )
    return Outcome(done.returncode, done.stdout.decode(errors="replace"))
