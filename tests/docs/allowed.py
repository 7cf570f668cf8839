"""Commands of the guides that no test here runs: each with the reason and, if there is one, the test that does.

A line of a guide that fits none of these patterns fails `test_every_other_command_is_run_or_held_to_the_list`. Add it
here only if it cannot be run in a folder of its own, as root's work on a mail server cannot.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PACKAGE = "tests/e2e/test_package.py::test_it_is_upgraded_with_its_settings_and_removed_without_a_trace"
STACK = "tests/e2e/test_deployed.py"
SYSTEMD = "tests/e2e/test_systemd.py"
COMPOSE = "tests/deploy/test_container_files.py"
NO_IMAGE = "needs a registry for Debian's image; the files are looked through"
NO_CLUSTER = "needs a cluster; the files are held to its schemas"
KUBERNETES = "tests/deploy/test_kubernetes_files.py"
WHEEL = "tests/test_wheel.py"


class Allowed(NamedTuple):
    pattern: str
    reason: str
    test: str | None = None


ALLOWED = (
    Allowed(r"apt install \./dist/smtpguard_0\.1\.0_amd64\.deb", "installs; done in a root of its own", PACKAGE),
    Allowed(r"apt purge( smtpguard)?", "removes; done in a root of its own", PACKAGE),
    Allowed(r"python3 -m venv /opt/smtpguard", "writes to /opt; the same in a folder of its own", WHEEL),
    Allowed(r"/opt/smtpguard/bin/pip install '\.\[fast\]'", "needs an index; extras are looked up", WHEEL),
    Allowed(r"pip install 'smtpguard\[postgresql\]'", "needs an index; extras are looked up", WHEEL),
    Allowed(r"systemctl (start|stop|restart|reload|status)( smtpguard)?", "needs a running systemd", SYSTEMD),
    Allowed(r"systemctl stop 'smtpguard\*'", "needs a running systemd", SYSTEMD),
    Allowed(r"systemctl (start|enable --now)( smtpguard(-submissions?\.socket|\.service))+", "the same", SYSTEMD),
    Allowed(r"systemctl disable --now( smtpguard(-\w+\.socket|\.service))+", "needs a running systemd", SYSTEMD),
    Allowed(r"systemctl edit smtpguard(-submission\.socket)?", "opens an editor"),
    Allowed(r"systemctl daemon-reload|systemd-sysusers", "needs a running systemd", SYSTEMD),
    Allowed(
        r"install (-D )?-m (644|755) (smtpguard|several-nodes)[\w.* -]+ /(etc|usr/bin)/\S*", "writes to /etc", SYSTEMD
    ),
    Allowed(r"install -d -m 7[05]0( -g smtpguard-settings)?( /etc/smtpguard\S*)+", "writes to /etc", SYSTEMD),
    Allowed(r"openssl rand -hex 32 > /etc/smtpguard/credentials/node-secret", "writes to /etc"),
    Allowed(r"systemctl reload (nginx|caddy)", "needs a running systemd"),
    Allowed(r"nginx -t", "looks at the whole of the web server's settings", "tests/e2e/test_answers_by_page.py"),
    Allowed(
        r"caddy validate --config /etc/caddy/Caddyfile", "looks at the web server's settings", "tests/e2e/web_server.py"
    ),
    Allowed(r"mailman aliases", "writes Mailman's tables for Postfix", STACK),
    Allowed(r"touch /etc/sympa/sympa_transport", "writes to /etc", STACK),
    Allowed(r"postmap hash:/etc/sympa/sympa_transport", "writes to /etc", STACK),
    Allowed(r"nft delete table inet smtpguard", "sets the machine's firewall"),
    Allowed(r"postfix (check|reload)", "the mail server's own; the stack of the e2e tests calls it", STACK),
    Allowed(r"postmap -q \S+ (regexp|hash):\S+", "asks a table of the mail server's; only looks"),
    Allowed(r"postconf -h myhostname", "asks the mail server; only looks"),
    Allowed(r"doveadm auth test ANNA@Example\.ORG", "asks Dovecot for a password; only looks"),
    Allowed(r"nft (-c )?-f /etc/nftables\.d/smtpguard\.nft", "sets the machine's firewall", "tests/test_deployed.py"),
    Allowed(r"openssl req -x509 .* -out /etc/postfix/smtpguard\.pem", "writes to /etc/postfix", STACK),
    Allowed(r"install -m 644 /etc/postfix/smtpguard\.pem /etc/smtpguard/upstream\.pem", "writes to /etc"),
    Allowed(
        r"install -d -o smtpguard -g www-data -m 2750 /run/smtpguard-page",
        "needs the guard's user",
        "tests/e2e/test_page_socket.py",
    ),
    Allowed(
        r"podman build [\w -]+ -f deploy/container/Containerfile -t smtpguard:0\.1\.0 \.|docker build",
        NO_IMAGE,
        COMPOSE,
    ),
    Allowed(r"podman kill --signal HUP smtpguard|podman run|docker compose up -d", NO_IMAGE, COMPOSE),
    Allowed(r"python -m build --wheel --outdir dist \.", "the same in a copy of the checkout", WHEEL),
    Allowed(r"install -d -m 755 secrets|cd secrets", "secrets for compose; their names are looked up", COMPOSE),
    Allowed(r"openssl req -x509 .* -keyout upstream\.key -out upstream\.pem", "the same", COMPOSE),
    Allowed(
        r"openssl rand -hex 24 \| tr -d '\\n' > store-password|printf .* > (store-url|passwords)", "the same", COMPOSE
    ),
    Allowed(r"cp /etc/letsencrypt/live/\S+ tls-(certificate|key)\.pem", "the same", COMPOSE),
    Allowed(r"chmod 4[04][04] \S+|chown 10001 tls-key\.pem store-url", "the same", COMPOSE),
    Allowed(r"mailman create -d berlin@lists\.example\.org", "Mailman's own", "tests/e2e/conftest.py"),
    Allowed(r"kubectl (apply -[fk] \S+|delete pod|kustomize)", NO_CLUSTER, KUBERNETES),
    Allowed(r"kubectl -n smtpguard (create secret|rollout restart) .*", NO_CLUSTER, KUBERNETES),
    Allowed(r"openssl rand -hex 32 > node-secret", "run for docs/operators.md", KUBERNETES),
    Allowed(r"systemd-analyze (security|verify)", "a test's own words", "tests/deploy/test_systemd_files.py"),
    Allowed(r"dig \+adflag \S+ TLSA", "asks a name server; only looks"),
    Allowed(r"man smtpguard(\.yaml|-list\.yaml)?", "shows a page that is installed", "tests/tools/test_manual.py"),
)


def reason_for(text: str) -> Allowed | None:
    """What allows this line to stay unrun, None if nothing does."""
    return next((each for each in ALLOWED if re.fullmatch(each.pattern, text)), None)
