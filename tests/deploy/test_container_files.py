"""deploy/container: what can be said of the images and of compose.yaml without an engine."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from smtpguard.config.places import Endpoint
from tests.deploy.containers import DEPLOY, accepted

HERE = DEPLOY / "container"
COMPOSE: dict[str, Any] = yaml.safe_load((HERE / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONTAINERFILES = sorted(HERE.rglob("Containerfile"))


def instructions(file: Path) -> list[tuple[str, str]]:
    """The instructions of a Containerfile with what follows each, its lines joined."""
    text = "".join(each for each in file.read_text("utf-8").splitlines(keepends=True) if not each.startswith("#"))
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (each.strip().partition(" ") for each in lines if each.strip())]


def told(file: Path, word: str) -> list[str]:
    return [rest for each, rest in instructions(file) if each == word]


def services(text: str) -> dict[str, set[str]]:
    """The services of a master.cf with their options."""
    lines = [each for each in text.splitlines() if each.strip() and not each.startswith("#")]
    found = re.split(r"\n(?=\S)", "\n".join(lines))
    return {each.split("\n")[0]: {option.strip() for option in each.split("\n")[1:]} for each in found}


def values(text: str) -> dict[str, list[str]]:
    """The values of a main.cf, each taken apart at its commas."""
    lines = [each.partition("=") for each in text.splitlines() if each.strip() and not each.startswith("#")]
    return {name.strip(): [each.strip() for each in value.split(",")] for name, _, value in lines}


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda each: each.parent.name)
def test_an_image_copies_what_there_is_and_starts_a_program_without_a_shell(file: Path) -> None:
    ignored = "" if file.parent != HERE else (HERE / "Containerfile.containerignore").read_text("utf-8")

    for each in told(file, "COPY"):
        source = each.split()[-2]
        assert "--from=builder" in each or source == "dist/" or (DEPLOY.parent / source).is_file(), each
        assert not ignored or "--from=" in each or f"!{source}" in ignored, f"{source} is kept from the build"
    assert ["SIGTERM"] == told(file, "STOPSIGNAL")
    for each in (*told(file, "ENTRYPOINT"), *told(file, "CMD"), *told(file, "HEALTHCHECK")):
        assert isinstance(json.loads(each.partition("CMD ")[2] or each), list)
    assert not told(file, "ADD"), "what is fetched has no hash"


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    assert ["10001:10001"] == told(HERE / "Containerfile", "USER")


def test_the_image_has_the_locked_libraries_only() -> None:
    installs = [each for each in told(HERE / "Containerfile", "RUN") if " pip " in f" {each} " and " install " in each]

    assert 2 == len([each for each in installs if "-m pip" in each])
    assert all("--require-hashes" in each or "--no-deps --no-index" in each for each in installs if "-m pip" in each)


def test_docker_and_podman_keep_the_same_files_from_the_build() -> None:
    texts = {
        "\n".join((HERE / f"Containerfile.{each}").read_text("utf-8").splitlines()[1:])
        for each in ("containerignore", "dockerignore")
    }

    assert 1 == len(texts)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_port_of_the_settings(status: int, code: int) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    [check] = told(HERE / "Containerfile", "HEALTHCHECK")
    words = json.loads(check.partition("CMD ")[2])
    assert ["/opt/smtpguard/bin/python3", "-I", "-c"] == words[:3]
    metrics = accepted(HERE / "settings" / "smtpguard.yaml").metrics
    assert metrics is not None
    assert isinstance(metrics.listen, Endpoint)
    assert f"'{metrics.listen.host}', {metrics.listen.port}," in words[3]

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = words[3].replace(str(metrics.listen.port), str(server.server_address[1]))
        done = subprocess.run([sys.executable, "-I", "-c", asked], timeout=30, check=False)
        server.shutdown()

    assert code == done.returncode


def test_every_file_volume_secret_and_network_of_compose_is_there() -> None:
    named = {kind: set(COMPOSE[kind]) for kind in ("volumes", "secrets", "networks")}
    used: dict[str, set[str]] = {kind: set() for kind in named}
    for service in SERVICES.values():
        used["secrets"] |= set(service.get("secrets", ()))
        used["networks"] |= set(service.get("networks", ()))
        for each in service.get("volumes", ()):
            source = each.split(":")[0]
            if source.startswith("."):
                assert (HERE / source).exists(), source
                assert each.endswith(":ro"), source
            else:
                used["volumes"].add(source)
        if "build" in service:
            assert (DEPLOY.parent / service["build"]["dockerfile"]).is_file()

    assert named == used
    assert all({"file": f"./secrets/{name}"} == each for name, each in COMPOSE["secrets"].items())


def test_the_guard_in_compose_has_no_privilege_and_a_root_that_nobody_writes() -> None:
    guard = SERVICES["smtpguard"]

    assert guard["read_only"]
    assert ["ALL"] == guard["cap_drop"]
    assert ["no-new-privileges:true"] == guard["security_opt"]
    assert 0 == guard["ulimits"]["core"]
    assert guard["mem_limit"] == guard["memswap_limit"], "mail could reach the swap"
    assert "privileged" not in guard


def test_nobody_but_the_guard_shares_the_loopback_on_which_the_outbox_listens() -> None:
    settings = accepted(HERE / "settings" / "smtpguard.yaml")
    assert settings.outbox is not None
    assert settings.upstream is not None
    shares = {name for name, each in SERVICES.items() if "network_mode" in each}

    assert {"smtpguard"} == shares
    assert "service:mailserver" == SERVICES["smtpguard"]["network_mode"]
    for server in (settings.outbox.server, settings.upstream.server):
        assert server is not None
        assert "127.0.0.1" == server.host
        assert any(each.startswith(f"{server} inet") for each in services((HERE / "mailserver/master.cf").read_text()))


def test_ports_and_addresses_of_compose_are_those_of_the_settings() -> None:
    settings = accepted(HERE / "settings" / "smtpguard.yaml")
    inside = {int(each.split(":")[-1]) for each in SERVICES["mailserver"]["ports"]}
    doors = {each.listen.port for each in settings.listeners if each.kind == "submission"}
    assert settings.web is not None
    assert isinstance(settings.web.listen, Endpoint)

    assert {25, *doors, settings.web.listen.port} == inside
    [outside] = COMPOSE["networks"]["outside"]["ipam"]["config"]
    assert [f"{outside['gateway']}/32"] == [str(each) for each in settings.web.forwarded_from]
    mailman = SERVICES["mailman"]["networks"]["lists"]["ipv4_address"]
    assert [f"{mailman}/32"] == values((HERE / "mailserver/main.cf").read_text())["mynetworks"]
    grace = int(SERVICES["smtpguard"]["stop_grace_period"].removesuffix("s"))
    assert grace >= settings.timeouts.shutdown.total_seconds() + 20


def test_secrets_of_the_settings_are_given_to_the_guard() -> None:
    settings = accepted(HERE / "settings" / "smtpguard.yaml")
    assert settings.tls is not None
    assert settings.upstream is not None
    files = (settings.tls.certificate, settings.tls.key_file, settings.upstream.ca, settings.store.url_file)

    assert {each.name for each in files if each is not None} == set(SERVICES["smtpguard"]["secrets"])
    assert ["/run/secrets"] == re.findall(r"CREDENTIALS_DIRECTORY=(\S+)", (HERE / "Containerfile").read_text("utf-8"))


def test_postfix_in_the_container_has_the_services_of_deploy_postfix() -> None:
    ours = services((HERE / "mailserver" / "master.cf").read_text("utf-8"))
    for name in ("members.master.cf", "closed.master.cf"):
        shipped = (DEPLOY / "postfix" / name).read_text("utf-8")
        for place in ("pem", "key"):
            shipped = shipped.replace(f"/etc/postfix/smtpguard.{place}", f"/run/secrets/upstream.{place}")
        for service, options in services(shipped).items():
            assert options == ours[service], service

    assert not any(each.split()[0] in ("submission", "submissions", "smtps") for each in ours), "a way past the guard"


@pytest.mark.parametrize("server", ["postfix", "mailman", "dovecot"])
def test_postfix_in_the_container_has_the_lines_of_deploy(server: str) -> None:
    ours = values((HERE / "mailserver" / "main.cf").read_text("utf-8"))

    for name, wanted in values((DEPLOY / server / "main.cf").read_text("utf-8")).items():
        assert [each for each in ours[name] if each in wanted] == wanted, name


def test_mailman_in_the_container_is_told_what_deploy_mailman_says_but_for_its_hosts() -> None:
    def lines(file: Path) -> set[str]:
        text = file.read_text("utf-8").partition("\n[mta]\n")[2]
        return {each for each in text.splitlines() if each and not each.startswith("#")}

    ours, shipped = lines(HERE / "mailman" / "mailman.cfg"), lines(DEPLOY / "mailman" / "mailman.cfg")

    assert {"lmtp_host: mailman", "smtp_host: mailserver"} == ours - shipped
    assert {"lmtp_host: 127.0.0.1", "smtp_host: 127.0.0.1"} == shipped - ours
