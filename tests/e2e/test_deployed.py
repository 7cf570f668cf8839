"""What else is shipped in deploy/: the firewall, the certificate of the upstream, the guard domain, Sympa's way."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.deployed import DEPLOY, adapted
from tests.e2e.mail_programs import session
from tests.e2e.stack import GUARD_ADDRESS, Stack
from tests.e2e.stack.mailman import USER
from tests.e2e.stack.programs import NFT, POSTMAP
from tests.e2e.writing import letter, new_subject
from tests.ports import HOST

pytestmark = pytest.mark.e2e

# Run in a network of its own: opens the ports, lets users connect to them, and says who came through.
WITHIN = """
import fcntl, os, pwd, socket, struct, subprocess, sys

with socket.socket() as any_one:
    fcntl.ioctl(any_one, 0x8914, struct.pack("16sh", b"lo", 0x41))  # ip link set lo up
nft, rules, *ports = sys.argv[1:]
if subprocess.run([nft, "list", "ruleset"], capture_output=True).returncode:
    sys.exit(77)
for _ in range(2):  # reading it twice is no mistake
    subprocess.run([nft, "-f", rules], check=True)
for port in ports:
    listening = socket.create_server(("127.0.0.1", int(port)))
    came = []
    for name in ("root", "mail", "postfix", "list", "nobody"):
        child = os.fork()
        if child == 0:
            os.setuid(pwd.getpwnam(name).pw_uid)
            try:
                socket.create_connection(("127.0.0.1", int(port)), 20).close()
            except ConnectionRefusedError:
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            came.append(name)
    print(port, *came)
"""
GUARD_ALONE, POSTFIX_ALONE = ["3588", "3589", "3590", "10026"], ["2526", "10025", "2527", "2528"]


def test_T_43_the_firewall_lets_nobody_but_the_guard_reach_the_xclient_port(tmp_path: Path) -> None:
    rules = tmp_path / "smtpguard.nft"
    same = {each: each for each in (*GUARD_ALONE, *POSTFIX_ALONE, "10030", '{ "root", "list" }')}
    # The user that is the guard's here is one that every Debian has.
    rules.write_text(adapted("postfix/smtpguard.nft", same | {'{ "root", "smtpguard" }': '{ "root", "mail" }'}))
    ports = [*GUARD_ALONE, *POSTFIX_ALONE, "10030", "25"]

    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-I", "-c", WITHIN, str(NFT), str(rules), *ports],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    if "unshare failed" in done.stderr or done.returncode == 77:
        pytest.skip("this machine lets nobody have a network of his own with a firewall in it")
    assert "" == done.stderr
    wanted = dict.fromkeys(GUARD_ALONE, "root mail") | dict.fromkeys(POSTFIX_ALONE, "root postfix")
    wanted |= {"10030": "root list", "25": "root mail postfix list nobody"}
    assert wanted == dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_the_certificate_that_the_readme_makes_is_believed_and_no_other(stack: Stack, tmp_path: Path) -> None:
    text = (DEPLOY / "postfix" / "README.md").read_text()
    [command] = re.findall(r"^ +(openssl req .*)$", text, re.MULTILINE)
    subprocess.run(command.replace("/etc/postfix/", f"{tmp_path}/").split(), check=True, capture_output=True)
    made, key = tmp_path / "smtpguard.pem", tmp_path / "smtpguard.key"
    believing = ssl.create_default_context(cafile=str(made))

    def shaken(certificate: Path, key: Path) -> bool:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate, key)
        here, there = socket.socketpair()

        def answer() -> None:
            try:
                server.wrap_socket(there, server_side=True).close()
            except OSError:
                there.close()

        answering = threading.Thread(target=answer)
        answering.start()
        try:
            believing.wrap_socket(here, server_hostname=HOST).close()
        except ssl.SSLError:
            return False
        finally:
            here.close()
            answering.join()
        return True

    assert shaken(made, key)
    assert not shaken(stack.certificate, stack.key)


def test_T_31_no_member_writes_as_the_guard_even_if_a_table_of_the_site_says_so(stack: Stack) -> None:
    stack.grant_sender("anna", GUARD_ADDRESS)
    for sender in (GUARD_ADDRESS, GUARD_ADDRESS.replace("@", "+code@"), f"boss@{GUARD_ADDRESS.partition('@')[2]}"):
        with session(stack, stack.submission, stack.members["anna"]) as client:
            client.mail(sender)
            assert client.rcpt(stack.members["ben"].address)[0] == 553


# In the place of Sympa's programs: writes down what it was called with and got.
QUEUE = """\
#!/bin/sh
{{ basename "$0"; echo "$*"; cat; }} > {folder}/got.$$
mv {folder}/got.$$ {folder}/$$.mail
"""


def test_postfix_hands_mail_for_a_list_to_sympa_and_refuses_an_unknown_one(stack: Stack) -> None:
    folder = stack.folder / "sympa"
    programs, spool = folder / "bin", folder / "spool"
    for each in (programs, spool):
        each.mkdir(parents=True)
    spool.chmod(0o777)
    for name in ("queue", "bouncequeue"):
        (programs / name).write_text(QUEUE.format(folder=spool))
        (programs / name).chmod(0o755)
    site = stack.site | {
        "sympa.example.org": "sympa.example.test",
        "/etc/sympa/": f"{folder}/",
        "/usr/lib/sympa/bin/": f"{programs}/",
        "user=sympa": f"user={USER}",
    }
    (folder / "transport.sympa").write_text(adapted("sympa/transport.sympa", site))
    table = adapted("sympa/list_aliases.tt2", site)
    for placeholder, value in (
        ("list.name", "harvest"), ("list.domain", "sympa.example.test"), ("return_path_suffix", "-owner"),
    ):  # fmt: skip
        table = table.replace(f"[% {placeholder} %]", value)
    assert "[%" not in table
    (folder / "sympa_transport").write_text(table)
    subprocess.run([POSTMAP, "-c", stack.postfix.conf, f"hash:{folder}/sympa_transport"], check=True)

    subject, anna = new_subject(), stack.members["anna"]
    with (
        stack.postfix.adding(adapted("sympa/sympa.master.cf", site), (), main=adapted("sympa/main.cf", site)),
        smtplib.SMTP(*stack.inbound, timeout=40) as client,
    ):
        client.ehlo("outside.example")
        client.mail(anna.address)
        assert 550 == client.rcpt("nowhere@sympa.example.test")[0]
        client.rset()
        names = ("harvest", "harvest-request", "harvest-owner", "sympa")
        to = [f"{name}@sympa.example.test" for name in names]
        client.sendmail(anna.address, to, letter(anna, to, subject))
        stack.settle()

    got = sorted(each.read_text().split("\n", 3) for each in spool.glob("*.mail"))
    assert [
        ["bouncequeue", "harvest@sympa.example.test"],
        ["queue", "harvest-request@sympa.example.test"],
        ["queue", "harvest@sympa.example.test"],
        ["queue", "sympa@sympa.example.test"],
    ] == [each[:2] for each in got]
    for each in got:
        assert f"Return-Path: <{anna.address}>" == each[2]
        assert f"Subject: {subject}" in each[3]
