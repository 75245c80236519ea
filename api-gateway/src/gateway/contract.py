"""The public contract: of the services' contracts what the table routes, and the gateway's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .chassis.environment import SettingsError
from .routing import TABLE, Row, shape

SERVICES = ("users", "products", "orders", "notifications")
_PUBLIC = "api-gateway.openapi.json"
_REF = "#/components/"
_ANSWERED_HERE = {
    401: "The access token is missing or not valid",
    413: "The body is larger than this route takes",
    429: "Too many requests; Retry-After says when to come back",
    502: "The service cannot be reached",
    503: "The service is busy, or tokens cannot be checked just now; Retry-After says when",
    504: "The service did not answer in time",
}

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
    """The contracts of the services."""
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
    merged = _Merged()
    for row in TABLE:
        merged.add_row(row, contracts[row.service])
    for path, item in _OWN_PATHS.items():
        merged.paths[path] = item
    for kind, components in _OWN_COMPONENTS.items():
        for name, component in components.items():
            merged.add_component("gateway", kind, name, component)
    _check_names(merged.paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "shop",
            "version": "0.1.0",
            "description": "All that the shop offers to the world, through its one public door.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this page came from"}],
        "security": [{"bearer": []}],
        "tags": [merged.tags[name] for name in sorted(merged.tags)],
        "paths": merged.paths,
        "components": merged.components,
    }


def _check_names(paths: Mapping[str, Any]) -> None:
    """Code is generated from the operations' names, so each is there once."""
    places: dict[str, str] = {}
    for path, item in paths.items():
        for method in item.keys() - {"parameters"}:
            name, place = item[method]["operationId"], f"{method.upper()} {path}"
            if (other := places.setdefault(name, place)) != place:
                raise ContractError(f"{other} and {place} are both named {name}")


class _Merged:
    """What was taken from the contracts so far, and from whose."""

    def __init__(self) -> None:
        self.paths: dict[str, Any] = {}
        self.components: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, Any] = {"health": {"name": "health", "description": "Alive, ready?"}}
        self._owners: dict[tuple[str, str], str] = {}

    def add_row(self, row: Row, contract: Contract) -> None:
        """Take over the operations that a row of the table routes."""
        path = next((p for p in contract["paths"] if shape(p) == shape(row.path)), None)
        item = contract["paths"].get(path, {})
        for method in row.methods:
            operation = item.get(method.lower())
            if path is None or operation is None:
                raise ContractError(f"{method} {row.path} is routed, but {row.service} has it not")
            shared = {key: item[key] for key in ("parameters",) if key in item}
            routed = self.paths.setdefault(path, shared)
            routed[method.lower()] = _with_answers_of_gateway(operation, row)
            for tag in contract.get("tags", []):
                if tag["name"] in operation.get("tags", []):
                    self.tags[tag["name"]] = tag
            self._add_referenced(row.service, contract, [routed])

    def _add_referenced(self, service: str, contract: Contract, found: list[Any]) -> None:
        seen = set()
        while found:
            for reference in set(_references(found.pop())) - seen:
                seen.add(reference)
                kind, name = reference.removeprefix(_REF).split("/")
                if name in _OWN_COMPONENTS.get(kind, {}):
                    continue
                component = contract["components"].get(kind, {}).get(name)
                if component is None:
                    raise ContractError(f"{service} refers to {reference}, but has it not")
                self.add_component(service, kind, name, component)
                found.append(component)

    def add_component(self, service: str, kind: str, name: str, component: Any) -> None:
        """Take over a component; two services may have the same, but not two under one name."""
        owner = self._owners.setdefault((kind, name), service)
        known = self.components.setdefault(kind, {}).setdefault(name, component)
        if known != component:
            raise ContractError(f"{kind} {name} of {owner} and of {service} differ")


def _with_answers_of_gateway(operation: Contract, row: Row) -> Contract:
    """What the service says of a status goes before what the gateway says of it."""
    statuses = {429, 502, 503, 504}
    statuses |= set() if row.public else {401}
    statuses |= {413} if "requestBody" in operation else set()
    ours = {str(status): {"$ref": f"{_REF}responses/GATEWAY_{status}"} for status in statuses}
    return {**operation, "responses": {**ours, **operation["responses"]}}


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


def _schema(**properties: Any) -> Contract:
    return {"type": "object", "required": sorted(properties), "properties": properties}


def _map_of(schema: str) -> Contract:
    return {"type": "object", "additionalProperties": {"$ref": f"{_REF}schemas/{schema}"}}


def _own(operation_id: str, summary: str, schema: str, *, down: str | None = None) -> Contract:
    content = {"application/json": {"schema": {"$ref": f"{_REF}schemas/{schema}"}}}
    responses = {"200": {"description": "OK", "content": content}}
    if down:
        responses["503"] = {"description": down, "content": content}
    return {
        "get": {
            "operationId": operation_id,
            "summary": summary,
            "tags": ["health"],
            "security": [],
            "responses": responses,
        }
    }


_STATUS = {"type": "string", "enum": ["ok", "degraded", "down"]}
_OWN_PATHS = {
    "/health": _own(
        "shop", "Tell how every service and its worker is.", "ShopHealth", down="A service is down"
    ),
    "/health/live": _own("live", "Tell whether the gateway runs.", "Health"),
    "/health/ready": _own("ready", "Tell whether the gateway can serve.", "Health"),
}
_OWN_COMPONENTS = {
    "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    "responses": {
        f"GATEWAY_{status}": {
            "description": description,
            "content": {
                "application/problem+json": {"schema": {"$ref": f"{_REF}schemas/Problem"}}
            },
        }
        for status, description in _ANSWERED_HERE.items()
    },
    "schemas": {
        "Check": _schema(status=_STATUS, detail={"type": "string"}),
        "Health": _schema(status=_STATUS, checks=_map_of("Check")),
        "ShopHealth": _schema(status=_STATUS, services=_map_of("Health")),
    },
}
