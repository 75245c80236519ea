"""Drawing, containers and cluster are one system; and what runs on the cluster has no rights."""

import re

import arrows
import cluster
import kubernetes_validate
import pytest
from cluster import STORES
from place import PORTS

from e2e import repository
from e2e.repository import ROOT, SERVICES

OF_THE_INGRESS = {"TRUSTED_PROXIES"}  # nothing stands before the gateway on one machine
PAGES = {"startup": "/health/live", "readiness": "/health/ready", "liveness": "/health/live"}
MOST_OF_A_CONFIG_MAP = 2**20  # bytes


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_every_document_is_what_kubernetes_knows(version: str) -> None:
    for document in cluster.documents():
        kubernetes_validate.validate(document, version, strict=True)


def test_the_drawing_shows_what_there_is() -> None:
    drawing = re.findall(r"^#  .*[─].*$", (ROOT / "compose/compose.yaml").read_text(), re.M)
    doors = re.findall(r"the world ── (\w+)", "\n".join(drawing))
    drawn = [re.findall(r"[┬├└┤┼┴]─ (\w+)", line) for line in drawing]
    services = [names[0] for names in drawn]
    stores = [name for names in drawn for name in names[1:]]
    needed = set(arrows.of_compose())
    assert doors == [to for by, to, _ in needed if by == arrows.WORLD]
    assert [*doors, *services] == sorted(SERVICES, key=[*doors, *services].index)
    assert set(services) == {to for by, to, _ in needed if by == doors[0] and to in SERVICES}
    assert stores == list(STORES)
    for store in stores:
        assert {by for by, to, _ in needed if to == store} >= set(services), store


def test_all_run_the_same_processes() -> None:
    workers = {f"{name}-worker" for name in SERVICES if name != "gateway"}
    assert set(cluster.processes()) == {*SERVICES, *workers}
    assert set(cluster.pods()) == {*SERVICES, *workers}
    for process in cluster.pods():
        here, there = cluster.container(process), cluster.compose()[process]
        assert here["image"].split(":")[0].split("@")[0] == there["image"], process
        assert here.get("command") == there.get("command"), process
        assert "args" not in here, process


def test_an_image_is_asked_how_it_is_as_often_whoever_built_it() -> None:
    by_nix = re.findall(r"^ +(\w+) = (\d+)000000000;$", (ROOT / "nix/images.nix").read_text(), re.M)
    for service in SERVICES:
        asked = (repository.folder(service) / "Dockerfile").read_text()
        by_docker = re.findall(r" --([a-z-]+)=(\d+)s", asked)
        assert {name.title().replace("-", ""): its for name, its in by_docker} == dict(by_nix)


def test_a_process_is_asked_how_it_is_by_the_same_question() -> None:
    for process in cluster.pods():
        asked = {name: cluster.container(process)[f"{name}Probe"] for name in PAGES}
        if process in SERVICES:
            pages = {name: probe["httpGet"] for name, probe in asked.items()}
            assert {page["port"] for page in pages.values()} == {"http"}, process
            assert {name: page["path"] for name, page in pages.items()} == PAGES, process
        else:
            test = cluster.compose()[process]["healthcheck"]["test"]
            for probe in asked.values():
                assert ["CMD", *probe["exec"]["command"]] == test, process


def test_all_have_as_long_to_stop() -> None:
    for process, pod in cluster.pods().items():
        before = cluster.container(process).get("lifecycle", {}).get("preStop", {})
        given = pod["spec"]["terminationGracePeriodSeconds"]
        given -= before.get("sleep", {}).get("seconds", 0)
        assert given == seconds(cluster.compose()[process]["stop_grace_period"]), process


def test_a_service_is_found_where_the_others_look() -> None:
    found = cluster.of_kind("Service")
    assert set(found) == set(SERVICES)
    for name, service in found.items():
        (port,) = service["spec"]["ports"]
        (listens,) = [p for p in cluster.container(name)["ports"] if p["name"] != "metrics"]
        assert port["port"] == listens["containerPort"] == PORTS[name], name
        assert port["targetPort"] == listens["name"], name
        labels = cluster.pods()[name]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items(), name
        others = [p["metadata"]["labels"] for n, p in cluster.pods().items() if n != name]
        assert not [o for o in others if service["spec"]["selector"].items() <= o.items()], name
    (ingress,) = cluster.of_kind("Ingress").values()
    backends = [p["backend"] for rule in ingress["spec"]["rules"] for p in rule["http"]["paths"]]
    assert backends == [{"service": {"name": "gateway", "port": {"name": "http"}}}]


def test_all_tell_a_process_the_same() -> None:
    for process in cluster.pods():
        service = process.removesuffix("-worker")
        here, there = cluster.environment(process), cluster.compose()[process]["environment"]
        assert set(here) - OF_THE_INGRESS == set(there), process
        for name, value in there.items():
            if "://" in str(value):
                assert here[name] == value, (process, name)
        known = repository.settings(service)
        names = {name.removesuffix("_FILE") for name in here}
        required = {name for name, must in known.items() if must}
        assert required <= names <= known.keys(), process


def test_the_arrows_are_those_that_are_needed_and_no_other() -> None:
    needed = {*arrows.of_compose(), *arrows.of_prometheus()}
    processes = {*cluster.pods()}
    assert arrows.let_out() == {arrow for arrow in needed if arrow[0] in processes}
    assert arrows.let_in() == {arrow for arrow in needed if arrow[1] in processes}


def test_no_process_has_rights() -> None:
    for process, pod in cluster.pods().items():
        spec, container = pod["spec"], cluster.container(process)
        assert spec["automountServiceAccountToken"] is False, process
        assert spec["enableServiceLinks"] is False, process
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec), process
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }, process
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, process
        user = (repository.folder(process.removesuffix("-worker")) / "Dockerfile").read_text()
        assert "USER 10001:10001\n" in user, process
        for amounts in ("requests", "limits"):
            assert set(container["resources"][amounts]) == {"cpu", "memory"}, process
        writable = [m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")]
        assert writable == ["/tmp"], process
        kinds = {kind for volume in spec["volumes"] for kind in set(volume) - {"name"}}
        assert kinds <= {"emptyDir", "secret", "configMap"}, process


def test_secrets_are_only_referred_to() -> None:
    assert not cluster.of_kind("Secret")
    for process, pod in cluster.pods().items():
        service = process.removesuffix("-worker")
        code = (repository.folder(service) / f"src/{service}/settings.py").read_text()
        fields = re.split(r"^    (?=\w+: )", code, flags=re.M)
        secret = {field.split(":")[0] for field in fields if "secret=True" in field}
        assert secret, service
        told = cluster.environment(process)
        for name in secret:
            assert told[f"{name.upper()}_FILE"] == f"/run/secrets/{name}", (process, name)
        assert not [value for value in told.values() if "@" in value], process
        mounts = {m["name"]: m["mountPath"] for m in cluster.container(process)["volumeMounts"]}
        (named,) = [volume for volume in pod["spec"]["volumes"] if "secret" in volume]
        assert mounts[named["name"]] == "/run/secrets", process
        assert named["secret"]["secretName"] == service, "no process reads another's"


def test_images_have_a_version_or_a_digest() -> None:
    exact = re.compile(r".*(:\d+\.\d+\.\d+|@sha256:[0-9a-f]{64})")
    for process in cluster.pods():
        assert exact.fullmatch(cluster.container(process)["image"]), process


def test_one_pod_at_a_time_may_be_missing() -> None:
    budgets = cluster.of_kind("PodDisruptionBudget")
    assert set(budgets) == set(SERVICES)
    for process, found in cluster.of_kind("Deployment").items():
        spec = found["spec"]
        assert spec["replicas"] >= 2, process
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, process
        budget = budgets[process.removesuffix("-worker")]["spec"]
        assert budget["maxUnavailable"] == 1, process
        labels = cluster.pods()[process]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"].items() <= labels.items(), process


def test_the_contracts_fit_into_a_config_map() -> None:
    sizes = {path.name: path.stat().st_size for path in ROOT.glob("contracts/*.json")}
    assert 0 < sum(sizes.values()) < MOST_OF_A_CONFIG_MAP, sizes
