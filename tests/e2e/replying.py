"""Members' mail programs as readers: they fetch a notice by IMAP, quote it, and answer it; or open what it links to.

mutt runs with its screen, on a terminal of its own, and gets keys; s-nail gets commands.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.e2e.at_home import PATH
from tests.e2e.mail_programs import PATIENCE, Place
from tests.e2e.stack import Letter, Member, Stack

# One in a thousand stands still in its list of mails, having met nobody but Dovecot; so it does when it finds no such
# mail. Once it has begun to write, whatever goes wrong counts.
MUTT_TRIES = 2


@dataclass(frozen=True)
class Desk:
    """Where a member sits: `home` is hers alone, `place` is where her programs send."""

    stack: Stack
    home: Path
    place: Place
    member: Member

    @property
    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": PATH, "LANG": "C.UTF-8", "TERM": "xterm"}

    def by_mutt(self, notice: Letter, first_line: str) -> None:
        """Reply: `first_line` above the quoted notice, with the attribution that German programs write."""
        editor = self.home / "editor"
        # A file's name comes as its only argument; what is quoted stands in it already.
        begun = self.home / "begun"
        editor.write_text(
            f'#!/bin/sh\n: > "{begun}"\nprintf "%s\\n\\n" "$ANSWER" | cat - "$1" > "$1.new" && cat "$1.new" > "$1"\n'
        )
        editor.chmod(0o700)
        message_id = str(notice.message["Message-ID"]).strip("<>")
        keys = f"<limit>~i {message_id}<enter><reply><send-message><quit>"
        command = ["mutt", "-n", "-F", str(self._muttrc(editor)), "-e", f'push "{keys}"']
        for _ in range(MUTT_TRIES):
            begun.unlink(missing_ok=True)
            code, screen = _on_a_terminal(command, {**self._environment, "ANSWER": first_line}, self.home)
            if code == 0:
                return
            assert not begun.exists(), f"mutt has written the answer, and then ended with {code}:\n{screen}"
        raise AssertionError(f"mutt has not come to write an answer:\n{screen}")

    def by_s_nail(self, notice: Letter, first_line: str) -> None:
        """The same by s-nail."""
        message_id = notice.message["Message-ID"]
        login, secret = quote(self.member.login, safe=""), quote(self.member.password, safe="")
        said = subprocess.run(
            ["s-nail", "-:/", "-#", "-Sv15-compat", f"-Smta=smtp://{login}:{secret}@localhost:{self.place[1]}",
             "-Ssmtp-use-starttls", "-Ssmtp-auth=plain", f"-Stls-ca-file={self.stack.ca_file}", "-Stls-ca-no-defaults",
             "-Stls-verify=strict", "-Snosave", f"-Sfrom={self.member.address}", "-Shostname=desk.example.test",
             "-Ssendwait", "-Sttycharset=utf-8", "-Sreply-to-honour=yes", "-Sindentprefix=> ", "-R",
             "-f", f"imap://{login}:{secret}@localhost:{self.stack.dovecot.imap}/INBOX"],
            input=f"reply '(header message-id {message_id})'\n{first_line}\n\n~Q\n~.\nquit\n".encode(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
            cwd=self.home, env=self._environment, start_new_session=True,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout.decode(errors="replace")

    def by_link(self, mailto: str) -> None:
        """Press a mailto: link (RFC 6068): what mutt makes of it is sent as it is."""
        said = subprocess.run(
            ["mutt", "-n", "-F", str(self._muttrc(Path("/bin/true"))), mailto],
            input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False,
            cwd=self.home, env=self._environment, start_new_session=True,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout.decode(errors="replace")

    def _muttrc(self, editor: Path) -> Path:
        login, member = quote(self.member.login, safe=""), self.member
        settings = self.home / "muttrc"
        settings.write_text(
            # mutt asks whether it shall make a folder that is not there, and takes the keys for the answer.
            f'set folder="{self.home}"\n'
            f'set spoolfile="imap://{login}@127.0.0.1:{self.stack.dovecot.imap}/INBOX"\n'
            f'set imap_pass="{member.password}"\nset ssl_force_tls=no\n'
            f'set smtp_url="smtp://{login}@{self.place[0]}:{self.place[1]}/"\nset smtp_pass="{member.password}"\n'
            f'set ssl_starttls=yes\nset ssl_ca_certificates_file="{self.stack.ca_file}"\n'
            f'set realname="{member.name.title()}"\nset from="{member.address}"\nset use_envelope_from=yes\n'
            'set copy=no\nset hostname="desk.example.test"\nset charset="utf-8"\nset send_charset="us-ascii:utf-8"\n'
            # Whether the editor changed anything it asks the clock, whose seconds are too long for ours.
            "set abort_unmodified=no\n"
            "set reply_to=yes\nset include=yes\nset fast_reply=yes\nset autoedit=yes\nset wait_key=no\n"
            f'set attribution="Am %d schrieb %n:"\nset editor="{editor}"\nset quit=yes\nset move=no\nset sleep_time=0\n'
        )
        settings.chmod(0o600)
        return settings


Answering = Callable[[Desk, Letter, str], None]


def _on_a_terminal(command: list[str], environment: dict[str, str], home: Path) -> tuple[int | None, str]:
    """Run a program that draws on its screen; its exit code, None if it did not end, and all that it drew."""
    here, its = pty.openpty()
    # setsid --ctty makes it the program's own terminal, which mutt asks for by name.
    process = subprocess.Popen(
        ["/usr/bin/setsid", "--ctty", *command], stdin=its, stdout=its, stderr=its, cwd=home, env=environment
    )
    os.close(its)
    drawn, end = b"", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < end:
            readable, _, _ = select.select([here], [], [], 0.5)
            if not readable:
                continue
            try:
                octets = os.read(here, 65536)
            except OSError:  # it has closed its end
                break
            if not octets:
                break
            drawn += octets
        return process.wait(max(end - time.monotonic(), 1)), drawn.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return None, drawn.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(here)
