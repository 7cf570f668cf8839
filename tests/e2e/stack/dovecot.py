"""Dovecot: passwords for Postfix, delivery by LMTP, and the members' IMAP."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.deployed import adapted
from tests.e2e.stack.keeper import Keeper
from tests.e2e.stack.people import MEMBER_DOMAIN, Member
from tests.e2e.stack.programs import DOVECOT
from tests.ports import HOST, answers, wait_until

START = 10.0  # seconds; 0.4 were measured

# What deploy/ does not speak of; the shipped file stands behind it.
CONFIGURATION = """\
protocols = imap lmtp
listen = {host}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
ssl = no

# Postfix offers all of them on one port only.
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
disable_plaintext_auth = no
# Tests with wrong passwords must not slow the others down.
auth_failure_delay = 0

mail_location = maildir:~/Maildir
mail_fsync = never
first_valid_uid = 1
postmaster_address = postmaster@{domain}

# For tokens only. With the key at hand nobody needs to be asked about them.
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/tokens.conf
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


TOKENS = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
active_attribute =
active_value =
"""
TOKEN_KEY = "the key with which another server of this organisation signs tokens"


class Dovecot:
    """One Dovecot with its state below `folder`."""

    def __init__(self, folder: Path, *, imap: int) -> None:
        self.folder = folder
        self.imap = imap

    def start(self, keeper: Keeper, site: Mapping[str, str], accounts: Iterable[Member]) -> None:
        """Write the configuration and start; returns when it answers. `site` has the values of deploy/README.md.

        Raises TimeoutError.
        """
        sockets = [Path(site["/var/spool/postfix/"], "private", name) for name in ("auth", "dovecot-lmtp")]
        mailboxes = self.folder / "mailboxes"
        mailboxes.mkdir(parents=True)
        users = []
        for account in accounts:
            home = mailboxes / account.name
            home.mkdir()
            # Debian's own user for mailboxes: never root, never a member of anything else.
            subprocess.run(["/usr/bin/chown", "mail:mail", str(home)], check=True)
            users.append(f"{account.login}:{{PLAIN}}{account.password}:mail:mail::{home}::\n")
        (self.folder / "users").write_text("".join(users))
        (self.folder / "tokens.conf").write_text(TOKENS.format(folder=self.folder))
        keys = self.folder / "keys" / "default" / "HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_text(b64encode(TOKEN_KEY.encode()).decode())
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(
            CONFIGURATION.format(host=HOST, folder=self.folder, domain=MEMBER_DOMAIN, imap=self.imap)
            + adapted("dovecot/smtpguard.conf", site)
        )
        # Dovecot keeps its caller's stderr open as long as it lives: a file, never a pipe somebody waits on.
        with (self.folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                [str(DOVECOT), "-F", "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        keeper.child("Dovecot", process)

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"Dovecot ended at its start:\n{self.log()}")
            return all(socket.exists() for socket in sockets) and answers(self.imap)

        wait_until("Dovecot answers", ready, START)

    def log(self) -> str:
        """What Dovecot has said so far."""
        files = (self.folder / "stderr", self.folder / "dovecot.log")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())
