"""The public contract: of the services' contracts what the table routes, and the gateway's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .chassis.environment import SettingsError
from .routing import TABLE, Row, shape

SERVICES = ("users", "products", "orders", "notifications")
_PUBLIC = "api-gateway.openapi.json"
_OWN = Path(__file__).with_name("own.openapi.json")

Contract = dict[str, Any]


class ContractError(Exception):
    """The contracts do not fit the routing table or one another; the text says which and how."""


def published(folder: Path) -> dict[str, bytes]:
    """The committed contracts as /docs shows them: first the public one, then each service's."""
    try:
        services = {name: (folder / f"{name}.openapi.json").read_bytes() for name in SERVICES}
        return {"shop": (folder / _PUBLIC).read_bytes(), **services}
    except OSError as error:
        raise SettingsError(f"CONTRACTS_DIR lacks a contract: {error}.") from None


def read(folder: Path) -> dict[str, Contract]:
    """The contracts of the services. Raises ContractError."""
    try:
        return {
            name: json.loads((folder / f"{name}.openapi.json").read_bytes()) for name in SERVICES
        }
    except (OSError, ValueError) as error:
        raise ContractError(f"a contract cannot be read: {error}") from None


def export(contract: Contract) -> bytes:
    """The contract as it is committed: sorted, indented, the same bytes every time."""
    text = json.dumps(contract, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def union(contracts: Mapping[str, Contract]) -> Contract:
    """The contract of the gateway. Raises ContractError."""
    public = json.loads(_OWN.read_bytes())
    owners: dict[tuple[str, str], str] = {}
    for row in TABLE:
        contract = contracts[row.service]
        path, operations = _operations(row, contract)
        public["paths"].setdefault(path, {}).update(operations)
        for kind, name, component in _components(operations, contract, public, row.service):
            here = public["components"].setdefault(kind, {})
            if name not in here:
                here[name], owners[kind, name] = component, row.service
            elif here[name] != component:
                owner = owners.get((kind, name), "gateway")
                raise ContractError(f"{kind} {name} of {owner} and of {row.service} differ")
        used = {tag for method in row.methods for tag in operations[method.lower()].get("tags", [])}
        public["tags"] += [
            tag
            for tag in contract.get("tags", [])
            if tag["name"] in used and tag not in public["tags"]
        ]
    _check_names(public["paths"])
    return _with_headers_of_gateway(public)


def _operations(row: Row, contract: Contract) -> tuple[str, Contract]:
    """The path as the service writes it, and of its operations those that the row routes."""
    for path, item in contract["paths"].items():
        if shape(path) == shape(row.path) and all(m.lower() in item for m in row.methods):
            routed = {key: item[key] for key in ("parameters",) if key in item}
            for method in row.methods:
                routed[method.lower()] = _with_answers_of_gateway(item[method.lower()], row)
            return path, routed
    raise ContractError(f"{row.name} is routed, but {row.service} has it not")


def _with_answers_of_gateway(operation: Contract, row: Row) -> Contract:
    """What the service says of a status goes before what the gateway says of it."""
    statuses = {429, 500, 502, 503, 504}
    statuses |= set() if row.public else {401}
    statuses |= {408, 413} if "requestBody" in operation else set()
    ours = {str(s): {"$ref": f"#/components/responses/GATEWAY_{s}"} for s in statuses}
    return {**operation, "responses": {**ours, **operation["responses"]}}


def _with_headers_of_gateway(public: Contract) -> Contract:
    """Each answer also with the headers that the gateway may add; without those nobody gives."""
    public = copy.deepcopy(public)
    used = set(_references(public))
    given = public["components"]["responses"].items()
    shared = {name: answer for name, answer in given if f"#/components/responses/{name}" in used}
    public["components"]["responses"] = shared
    answers = list(shared.values())
    for item in public["paths"].values():
        for method in item.keys() - {"parameters"}:
            answers += item[method]["responses"].values()
    added = {
        name: {"$ref": f"#/components/headers/{name}"} for name in public["components"]["headers"]
    }
    for answer in answers:
        if "$ref" not in answer:
            answer["headers"] = {**added, **answer.get("headers", {})}
    return public


def _components(
    operations: Contract, contract: Contract, public: Contract, service: str
) -> Iterator[tuple[str, str, Contract]]:
    """(kind, name, component) of all that the operations refer to, and what that refers to."""
    found, seen = [operations], set()
    while found:
        for reference in set(_references(found.pop())) - seen:
            seen.add(reference)
            _, _, kind, name = reference.split("/")
            component = contract["components"].get(kind, {}).get(name)
            component = component or public["components"].get(kind, {}).get(name)
            if component is None:
                raise ContractError(f"{service} refers to {reference}, but has it not")
            found.append(component)
            yield kind, name, component


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, below in tree.items():
            if key == "$ref" and isinstance(below, str):
                yield below
            else:
                yield from _references(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from _references(below)


def _check_names(paths: Mapping[str, Any]) -> None:
    """Code is generated from the operations' names, so each is there once."""
    places: dict[str, str] = {}
    for path, item in paths.items():
        for method in item.keys() - {"parameters"}:
            name, place = item[method]["operationId"], f"{method.upper()} {path}"
            if (other := places.setdefault(name, place)) != place:
                raise ContractError(f"{other} and {place} are both named {name}")
