"""The public contract agrees with the table, with the services' contracts and with what is run."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conftest import HERE
from gateway import contract
from gateway.cli import main
from gateway.contract import SERVICES, ContractError, union
from gateway.routing import TABLE, shape

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in HERE.parents)))
METHODS = {"get", "put", "post", "patch", "delete", "head", "options", "trace"}


@pytest.fixture(scope="session")
def real() -> dict[str, Any]:
    return contract.read(CONTRACTS)


def operations(of: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """{(METHOD, path without the names of its parameters): operation}."""
    return {
        (method.upper(), shape(path)): item[method]
        for path, item in of["paths"].items()
        for method in item.keys() & METHODS
    }


def is_public(operation: dict[str, Any]) -> bool:
    return operation.get("security") == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_routes_all_that_a_service_offers_and_nothing_else(
    real: dict[str, Any], service: str
) -> None:
    rows = [row for row in TABLE if row.service == service]
    routed = {(method, shape(row.path)): row.public for row in rows for method in row.methods}
    offered = {
        place: is_public(operation)
        for place, operation in operations(real[service]).items()
        if not place[1].startswith("/health")
    }
    assert routed == offered


@pytest.mark.parametrize("service", SERVICES)
def test_whoever_may_send_a_body_may_send_one(real: dict[str, Any], service: str) -> None:
    for row in (row for row in TABLE if row.service == service):
        for method in row.methods:
            operation = operations(real[service])[method, shape(row.path)]
            assert row.body or "requestBody" not in operation, row.name


def test_the_committed_contract_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(main, ["contract", "--contracts-dir", str(CONTRACTS)])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout_bytes == (CONTRACTS / "api-gateway.openapi.json").read_bytes()


def test_the_public_contract_has_all_that_it_refers_to(real: dict[str, Any]) -> None:
    public = union(real)
    assert set(operations(public)) == {
        *((method, shape(row.path)) for row in TABLE for method in row.methods),
        *(("GET", path) for path in ("/health", "/health/live", "/health/ready")),
    }
    for reference in contract._references(public):
        _, kind, name = reference.removeprefix("#/").split("/")
        assert name in public["components"][kind]
    for (method, path), operation in operations(public).items():
        if not path.startswith("/health"):
            assert {"429", "502", "503", "504"} <= operation["responses"].keys(), (method, path)


# --- how contracts are put together ---------------------------------------------------------------


def toy(service: str) -> dict[str, Any]:
    """A contract that fits the table."""
    schemas = {"Problem": {"type": "object"}, service.title(): {"title": service}}
    schemas["Unused"] = {"title": service}
    reference = {"$ref": f"#/components/schemas/{service.title()}"}
    paths: dict[str, Any] = {}
    for row in (row for row in TABLE if row.service == service):
        for method in row.methods:
            content = {"application/json": {"schema": reference}}
            paths.setdefault(row.path.replace("<", "{").replace(">", "}"), {})[method.lower()] = {
                "operationId": f"{method} {row.path}",
                "responses": {"200": {"description": "OK", "content": content}},
            }
    return {"paths": paths, "components": {"schemas": schemas}}


@pytest.fixture
def toys() -> dict[str, Any]:
    return {service: toy(service) for service in SERVICES}


def test_components_are_taken_over_where_something_refers_to_them(toys: dict[str, Any]) -> None:
    schemas = union(toys)["components"]["schemas"]
    assert {"Users", "Products", "Orders", "Notifications", "Problem", "Health"} <= schemas.keys()
    assert "Unused" not in schemas


def test_the_same_component_of_two_services_is_one(toys: dict[str, Any]) -> None:
    money = {"$ref": "#/components/schemas/Money"}
    for service in ("orders", "products"):
        toys[service]["components"]["schemas"]["Money"] = {"type": "object"}
        toys[service]["components"]["schemas"][service.title()] = copy.copy(money)
    assert union(toys)["components"]["schemas"]["Money"] == {"type": "object"}


def test_a_component_of_the_gateway_is_not_that_of_a_service(toys: dict[str, Any]) -> None:
    schemas = toys["orders"]["components"]["schemas"]
    schemas |= {"Health": {"type": "string"}, "Orders": {"$ref": "#/components/schemas/Health"}}
    with pytest.raises(ContractError, match="schemas Health of gateway and of orders differ"):
        union(toys)


def test_two_components_under_one_name_are_a_mistake(toys: dict[str, Any]) -> None:
    for service in ("orders", "products"):
        toys[service]["components"]["schemas"]["Money"] = {"title": service}
        toys[service]["components"]["schemas"][service.title()] = {
            "$ref": "#/components/schemas/Money"
        }
    with pytest.raises(ContractError, match="schemas Money of products and of orders differ"):
        union(toys)


def test_a_routed_operation_that_no_contract_has_is_a_mistake(toys: dict[str, Any]) -> None:
    del toys["orders"]["paths"]["/orders/{id}/cancel"]
    with pytest.raises(ContractError, match="POST /orders/<id>/cancel is routed, but orders"):
        union(toys)


def test_two_operations_of_one_name_are_a_mistake(toys: dict[str, Any]) -> None:
    for service in ("orders", "products"):
        toys[service]["paths"][f"/{service}"]["get"]["operationId"] = "list"
    with pytest.raises(ContractError, match="both named list"):
        union(toys)


def test_a_reference_to_nothing_is_a_mistake(toys: dict[str, Any]) -> None:
    del toys["orders"]["components"]["schemas"]["Orders"]
    with pytest.raises(ContractError, match="orders refers to #/components/schemas/Orders"):
        union(toys)


def test_the_command_says_in_a_sentence_what_is_wrong(toys: dict[str, Any], tmp_path: Path) -> None:
    run = CliRunner().invoke(main, ["contract", "--contracts-dir", str(tmp_path)])
    assert (run.exit_code, run.output.count("\n")) == (1, 1)
    del toys["orders"]["paths"]["/orders"]
    for service, made in toys.items():
        (tmp_path / f"{service}.openapi.json").write_text(json.dumps(made))
    run = CliRunner().invoke(main, ["contract", "--contracts-dir", str(tmp_path)])
    assert (run.exit_code, run.output.count("\n")) == (1, 1)
    assert "GET /orders is routed" in run.output
