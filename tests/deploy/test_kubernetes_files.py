"""deploy/kubernetes: the forms, and that all the files agree with each other and with the settings in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from smtpguard.config.places import Endpoint
from smtpguard.config.settings import Settings
from smtpguard.metrics import pages
from smtpguard.watch import Watch
from tests.deploy.containers import DEPLOY, accepted, mounted

HERE = DEPLOY / "kubernetes"
# The oldest in which all that is used here is there by default, and one that is current.
VERSIONS = ("1.30", "1.37")
Thing = dict[str, Any]


def things() -> Iterator[Thing]:
    for file in sorted(HERE.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text("utf-8"))


THINGS = list(things())


def thing(kind: str, name: str = "smtpguard") -> Thing:
    [found] = [each for each in THINGS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


NODES = thing("StatefulSet")["spec"]
POD = NODES["template"]["spec"]
[GUARD] = POD["containers"]
PORTS = {each["name"]: each["containerPort"] for each in GUARD["ports"]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of the ConfigMaps, in the two folders that the kubelet makes of them."""
    mounted(tmp_path, thing("ConfigMap")["data"])
    mounted(tmp_path / "lists", thing("ConfigMap", "smtpguard-lists")["data"])
    return accepted(tmp_path / "smtpguard.yaml")


def named(listen: object) -> int:
    assert isinstance(listen, Endpoint)
    return listen.port


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("each", THINGS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_each_thing_has_the_form_that_kubernetes_wants(each: Thing, version: str) -> None:
    kubernetes_validate.validate(each, version, strict=True)


def test_the_files_that_are_applied_are_all_but_the_example_of_secrets() -> None:
    kustomization = yaml.safe_load((HERE / "kustomization.yaml").read_text("utf-8"))
    others = {each.name for each in HERE.glob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}

    assert others == set(kustomization["resources"])


def test_everything_lies_in_the_one_restricted_namespace() -> None:
    labels = thing("Namespace")["metadata"]["labels"]

    assert "restricted" == labels["pod-security.kubernetes.io/enforce"]
    assert {"smtpguard"} == {each["metadata"]["namespace"] for each in THINGS if each["kind"] != "Namespace"}


def test_the_pod_is_a_restricted_one() -> None:
    # Pod Security Standards, "Restricted".
    whole, own = POD["securityContext"], GUARD["securityContext"]

    assert whole["runAsNonRoot"]
    assert "RuntimeDefault" == whole["seccompProfile"]["type"]
    assert own["allowPrivilegeEscalation"] is False
    assert {"drop": ["ALL"]} == own["capabilities"]
    assert own["readOnlyRootFilesystem"]
    assert {"configMap", "secret", "emptyDir"} == {
        next(key for key in each if key != "name") for each in POD["volumes"]
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & POD.keys()
    assert POD["automountServiceAccountToken"] is False


def test_the_user_of_the_pod_is_that_of_the_image() -> None:
    user = POD["securityContext"]

    text = (DEPLOY / "container" / "Containerfile").read_text("utf-8")
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in text
    assert user["runAsGroup"] == user["fsGroup"]


def test_every_volume_is_there_and_every_secret_that_the_settings_name(settings: Settings) -> None:
    volumes = {each["name"]: each for each in (*POD["volumes"], *({"name": "state"},))}
    assert ["state"] == [each["metadata"]["name"] for each in NODES["volumeClaimTemplates"]]
    mounts = {each["mountPath"]: each["name"] for each in GUARD["volumeMounts"]}
    assert set(mounts.values()) == volumes.keys()
    for each in POD["volumes"]:
        if "configMap" in each:
            thing("ConfigMap", each["configMap"]["name"])

    def holds(place: str) -> set[str]:
        return set(thing("Secret", volumes[mounts[place]]["secret"]["secretName"])["stringData"])

    [credentials] = [each["value"] for each in GUARD["env"] if each["name"] == "CREDENTIALS_DIRECTORY"]
    assert settings.tls is not None
    assert settings.outbox is not None
    for file in (settings.tls.certificate, settings.tls.key_file):
        assert file.name in holds(str(file.parent))
    own = (settings.outbox.password_file, settings.store.url_file, settings.secret_file)
    assert {each.name for each in own if each is not None} == holds(credentials)
    assert settings.state_dir.is_relative_to("/var/lib/smtpguard")
    assert "state" == mounts["/var/lib/smtpguard"]


def test_no_secret_is_readable_for_everybody_nor_has_anything_in_it() -> None:
    modes = [each["secret"]["defaultMode"] for each in POD["volumes"] if "secret" in each]

    assert [0o440, 0o440] == modes
    assert not any(value for each in THINGS if each["kind"] == "Secret" for value in each["stringData"].values())


def test_the_ports_of_the_pod_are_those_of_the_settings(settings: Settings) -> None:
    assert settings.web is not None
    assert settings.metrics is not None
    doors = {(each.kind, named(each.listen)) for each in settings.listeners}

    assert {
        ("submission", PORTS["submission"]), ("submission", PORTS["submissions"]), ("answers", PORTS["answers"])
    } == doors  # fmt: skip
    assert PORTS["page"] == named(settings.web.listen)
    assert PORTS["metrics"] == named(settings.metrics.listen)
    assert all(port >= 1024 for port in PORTS.values())


def test_services_policy_and_budget_mean_the_pods_of_the_nodes() -> None:
    labels = NODES["template"]["metadata"]["labels"]
    chosen = [
        NODES["selector"]["matchLabels"],
        thing("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        thing("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in POD["topologySpreadConstraints"]),
        *(each["spec"]["selector"] for each in THINGS if each["kind"] == "Service"),
    ]

    assert all(labels == each for each in chosen)
    assert thing("Service", NODES["serviceName"])["spec"]["clusterIP"] == "None"


def test_every_port_named_anywhere_is_one_of_the_pod() -> None:
    policy = thing("NetworkPolicy")["spec"]
    targets = [port["targetPort"] for each in THINGS if each["kind"] == "Service" for port in each["spec"]["ports"]]
    let_in = [port["port"] for each in policy["ingress"] for port in each["ports"]]

    assert set(targets) <= PORTS.keys()
    assert set(let_in) == PORTS.keys()
    assert {"Ingress", "Egress"} == set(policy["policyTypes"])


def test_only_members_come_from_anywhere() -> None:
    open_to_all = [each["ports"] for each in thing("NetworkPolicy")["spec"]["ingress"] if "from" not in each]

    assert [[{"port": "submission"}, {"port": "submissions"}]] == open_to_all


def test_the_guard_may_reach_its_mail_server_and_the_mail_server_the_guard(settings: Settings) -> None:
    policy = thing("NetworkPolicy")["spec"]
    [answers] = [each for each in settings.listeners if each.kind == "answers"]
    [let_in] = [each["from"] for each in policy["ingress"] if each["ports"] == [{"port": "answers"}]]
    assert settings.upstream is not None
    assert settings.outbox is not None

    assert [str(each) for each in answers.trust] == [each["ipBlock"]["cidr"] for each in let_in]
    assert thing("Service", "smtpguard-answers")["spec"]["loadBalancerSourceRanges"] == [str(x) for x in answers.trust]
    reached = {port["port"] for port in itertools.chain(*(each["ports"] for each in policy["egress"]))}
    for each in (settings.upstream.server, settings.outbox.server):
        assert each is not None
        assert each.port in reached
        assert "none" != settings.outbox.tls


def test_the_outbox_asks_for_no_right_that_other_pods_of_the_machine_would_have(settings: Settings) -> None:
    assert settings.outbox is not None

    assert "account" == settings.outbox.login


def test_members_and_mail_server_keep_their_addresses() -> None:
    for name in ("smtpguard", "smtpguard-answers"):
        assert "Local" == thing("Service", name)["spec"]["externalTrafficPolicy"]


def test_probes_ask_what_the_port_for_monitoring_answers() -> None:
    code = Path(pages.__file__).read_text("utf-8")
    probes = [GUARD[f"{each}Probe"]["httpGet"] for each in ("startup", "readiness", "liveness")]

    assert ["/readyz", "/healthz", "/healthz"] == [each["path"] for each in probes]
    for each in probes:
        assert f'case "{each["path"]}"' in code
        assert "metrics" == each["port"]


def test_a_node_has_the_time_to_bring_open_mail_to_its_end(settings: Settings) -> None:
    pause = GUARD["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert POD["terminationGracePeriodSeconds"] >= pause + settings.timeouts.shutdown.total_seconds() + 20
    # Long enough for the failed probe, and those who look for addresses, to take the node out.
    assert pause >= 5


def test_nodes_have_a_volume_each_and_the_keys_on_it(settings: Settings) -> None:
    [claim] = NODES["volumeClaimTemplates"]

    assert ["ReadWriteOncePod"] == claim["spec"]["accessModes"]
    assert settings.secret_file is not None, "their keys would not meet"
    assert "postgresql" == settings.store.kind
    assert Path("keys") == settings.keys, "they begin at state_dir"
    # The root of the volume is the group's; the guard wants a folder that is its own.
    assert Path("/var/lib/smtpguard") != settings.state_dir
    assert "OnRootMismatch" == POD["securityContext"]["fsGroupChangePolicy"]


def test_one_node_at_a_time_may_be_away() -> None:
    assert 2 == NODES["replicas"]
    assert 1 == thing("PodDisruptionBudget")["spec"]["maxUnavailable"]
    assert {"type": "RollingUpdate"} == NODES["updateStrategy"]
    assert "DoNotSchedule" == POD["topologySpreadConstraints"][0]["whenUnsatisfiable"]


async def test_a_list_that_is_added_to_the_config_map_is_noticed_and_in_force(tmp_path: Path) -> None:
    site, lists = thing("ConfigMap")["data"], thing("ConfigMap", "smtpguard-lists")["data"]
    mounted(tmp_path, site)
    mounted(tmp_path / "lists", {"berlin.yaml": lists["berlin.yaml"]})
    changes = Watch(tmp_path / "smtpguard.yaml", tmp_path / "lists", look_seconds=0.1).changes()
    await anext(changes)

    mounted(tmp_path / "lists", lists, "2")
    await anext(changes)

    accepted(tmp_path / "smtpguard.yaml")
    await changes.aclose()  # type: ignore[attr-defined]
