"""Where the servers and mail programs are on this machine, and which are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

POSTFIX = Path("/usr/sbin/postfix")
POSTMAP = Path("/usr/sbin/postmap")
POSTFIX_DAEMONS = Path("/usr/lib/postfix/sbin")
DOVECOT = Path("/usr/sbin/dovecot")
DOVECOT_PROGRAMS = Path("/usr/lib/dovecot")

# The same default as in dependencies.sh. Below /var/lib, because Mailman refuses to run as root and its user must be
# able to read its programs, wherever the checkout lies.
MAILMAN_VENV = Path(os.environ.get("SMTPGUARD_E2E_VENV") or "/var/lib/smtpguard-e2e/mailman")
MAILMAN_MASTER = MAILMAN_VENV / "bin" / "master"

# A library that shifts the clock of one program. The folder has the machine's name in it.
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)

NGINX = Path("/usr/sbin/nginx")
CADDY = Path("/usr/bin/caddy")
NFT = Path("/usr/sbin/nft")
CHROMIUM = Path("/usr/bin/chromium")
CHROMEDRIVER = Path("/usr/bin/chromedriver")

REMEDY = "`make e2e-deps` (Debian, as root) adds it"


def missing() -> str | None:
    """Why the end-to-end tests cannot run here, in one sentence; None if they can."""
    if os.geteuid() != 0:
        return "end-to-end tests left out: they need root, and what `make e2e-deps` (Debian, as root) installs"
    wanted = {
        "Postfix": POSTFIX.exists() and POSTFIX_DAEMONS.is_dir(),
        "Dovecot": DOVECOT.exists(),
        "Dovecot's IMAP server": (DOVECOT_PROGRAMS / "imap").exists(),
        "Dovecot's LMTP server": (DOVECOT_PROGRAMS / "lmtp").exists(),
        "Mailman 3": MAILMAN_MASTER.exists(),
        "swaks": shutil.which("swaks") is not None,
        "msmtp": shutil.which("msmtp") is not None,
        "mutt": shutil.which("mutt") is not None,
        "s-nail": shutil.which("s-nail") is not None,
        "curl": shutil.which("curl") is not None,
        "libfaketime": FAKETIME is not None,
        "nginx": NGINX.exists(),
        "promtool": shutil.which("promtool") is not None,
        "Caddy": CADDY.exists(),
        "nftables": NFT.exists(),
        "systemd-nspawn": shutil.which("systemd-nspawn") is not None,
        "Chromium": CHROMIUM.exists(),
        "Chromium's driver": CHROMEDRIVER.exists(),
    }
    absent = [name for name, found in wanted.items() if not found]
    if not absent:
        return None
    return f"end-to-end tests left out: missing here: {', '.join(absent)}; {REMEDY}"
