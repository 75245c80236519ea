"""Who may talk to whom: by the variables of compose.yaml, and by the NetworkPolicies."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import cluster
from cluster import STORES, Document

from e2e import repository
from e2e.repository import ROOT

WORLD, DNS, PROMETHEUS = "the world", "DNS", "Prometheus"
LISTEN = dict(re.findall(r"@(\w+):(\d+)", (ROOT / "compose/make_secrets.py").read_text()))
STORE_OF = dict(zip(("MONGO_URL_FILE", "BROKER_URL_FILE", "CACHE_URL_FILE"), STORES, strict=True))

Arrow = tuple[str, str, int | str | None]  # from, to, port


def of_compose() -> Iterator[Arrow]:
    """What each process needs. A worker is told what its web process is, and calls nobody."""
    for process in cluster.processes():
        for name in cluster.compose()[process]["environment"]:
            if name in STORE_OF:
                yield process, STORE_OF[name], int(LISTEN[STORE_OF[name]])
        for _, other, port in asked(process):
            yield process, other, port
        for published in cluster.compose()[process].get("ports", []):
            yield WORLD, process, int(published.rsplit(":", 1)[1])
        yield process, DNS, 53


def of_prometheus() -> Iterator[Arrow]:
    """It asks every process, where its image shows metrics."""
    for process in cluster.processes():
        image = (repository.folder(process.removesuffix("-worker")) / "Dockerfile").read_text()
        port = re.search(r"METRICS_BIND=0\.0\.0\.0:(\d+)", image)[1]
        yield PROMETHEUS, process, int(port)


def asked(process: str) -> Iterator[tuple[str, str, int | None]]:
    """Each variable of a process that names another of ours, and where that one is."""
    for name, value in cluster.compose()[process]["environment"].items():
        url = urlsplit(str(value))
        if url.hostname in cluster.compose() and not process.endswith("-worker"):
            yield name, url.hostname, url.port


def let_out() -> set[Arrow]:
    """Where each process may go."""
    return {
        (process, to, port)
        for process in cluster.pods()
        for rule in _rules(process, "Egress")
        for to, port in _ends(rule, "to", process)
    }


def let_in() -> set[Arrow]:
    """Who may come to each process, of the cluster and the world."""
    return {
        (by, process, port)
        for process in cluster.pods()
        for rule in _rules(process, "Ingress")
        for by, port in _ends(rule, "from", process)
    }


def _rules(process: str, direction: str) -> Iterator[Document]:
    """The rules about a process; one that allows everything where no policy is about it."""
    labels = cluster.pods()[process]["metadata"]["labels"]
    policies = [found["spec"] for found in cluster.of_kind("NetworkPolicy").values()]
    mine = [
        policy
        for policy in policies
        if direction in policy["policyTypes"] and _selects(policy["podSelector"], labels)
    ]
    yield from [{}] if not mine else ()
    for policy in mine:
        yield from policy.get(direction.lower(), [])


def _ends(rule: Document, word: str, process: str) -> Iterator[tuple[str, int | str | None]]:
    """Who is at the other end of a rule, and on which port."""
    ports = [entry.get("port") for entry in rule.get("ports", [{}])]
    for port in ports:
        if word not in rule:
            store = next((name for name in STORES if LISTEN[name] == str(port)), "anything")
            yield (WORLD if word == "from" else store), _number(port, process)
        for peer in rule.get(word, []):
            for other in _names(peer):
                yield other, _number(port, process if word == "from" else other)


def _names(peer: Document) -> list[str]:
    """The processes that a peer means."""
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {})
    if namespace == {"kubernetes.io/metadata.name": "monitoring"}:
        return [PROMETHEUS]
    if "namespaceSelector" in peer and peer["podSelector"]["matchLabels"] == {
        "k8s-app": "kube-dns"
    }:
        return [DNS]
    if set(peer) != {"podSelector"}:
        return [str(peer)]
    found = {name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}
    return [name for name, labels in found.items() if _selects(peer["podSelector"], labels)]


def _number(port: int | str | None, process: str) -> int | str | None:
    """A port by its name is that of the process that listens."""
    if not isinstance(port, str):
        return port
    named = {entry["name"]: entry["containerPort"] for entry in cluster.container(process)["ports"]}
    return named[port]


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels", "matchExpressions"}, selector
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        wanted = wanted and labels.get(expression["key"]) in expression["values"]
    return wanted
