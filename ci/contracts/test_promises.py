"""What every contract says, whatever it is about. Reads the files, and nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

Contract = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "contracts"
CONTRACTS: dict[str, Contract] = {
    path.name.removesuffix(".openapi.json"): json.loads(path.read_bytes())
    for path in sorted(FOLDER.glob("*.openapi.json"))
}
GATEWAY = "api-gateway"
SERVICES = [name for name in CONTRACTS if name != GATEWAY]
METHODS = {"get", "put", "post", "patch", "delete", "head", "options", "trace"}
PROBLEM = "application/problem+json"

contracts = pytest.mark.parametrize("name", CONTRACTS)
services = pytest.mark.parametrize("name", SERVICES)


class Operation(NamedTuple):
    """A route of a contract; what it refers to is written out."""

    place: str  # POST /orders
    says: Contract
    parameters: list[Contract]
    answers: dict[str, Contract]  # by status

    @property
    def is_public(self) -> bool:
        return self.says["security"] == []

    @property
    def body(self) -> Contract:
        return self.says.get("requestBody", {})


def operations(contract: Contract) -> Iterator[Operation]:
    for path, item in contract["paths"].items():
        for method in sorted(item.keys() & METHODS):
            says = item[method]
            given = [*item.get("parameters", []), *says.get("parameters", [])]
            yield Operation(
                f"{method.upper()} {path}",
                says,
                [resolved(each, contract) for each in given],
                {
                    status: resolved(answer, contract)
                    for status, answer in says["responses"].items()
                },
            )


def events(contract: Contract) -> dict[str, Contract]:
    return {name: item["post"] for name, item in contract.get("webhooks", {}).items()}


def resolved(thing: Contract, contract: Contract) -> Contract:
    for word in thing.get("$ref", "").split("/")[1:]:
        contract = thing = contract[word]
    return thing


def told(operation: Contract) -> Contract:
    """The schema of the data of an event."""
    (media,) = operation["requestBody"]["content"].values()
    return media["schema"]["allOf"][1]["properties"]["data"]


@contracts
def test_is_openapi_3_1(name: str) -> None:
    assert CONTRACTS[name]["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(CONTRACTS[name]).iter_errors()] == []


@contracts
def test_has_the_bytes_that_are_compared(name: str) -> None:
    text = json.dumps(CONTRACTS[name], indent=2, sort_keys=True, ensure_ascii=False)
    assert (FOLDER / f"{name}.openapi.json").read_text(encoding="utf-8") == f"{text}\n"


@contracts
def test_every_operation_has_a_name_a_summary_and_a_tag_that_is_explained(name: str) -> None:
    contract = CONTRACTS[name]
    explained = {tag["name"] for tag in contract["tags"] if tag["description"]}
    every = [operation.says for operation in operations(contract)] + [*events(contract).values()]
    for says in every:
        assert says["summary"], says["operationId"]
        assert says["tags"] and set(says["tags"]) <= explained, says["operationId"]
    names = [says["operationId"] for says in every]
    assert len(set(names)) == len(names)


@contracts
def test_every_operation_says_who_may_call(name: str) -> None:
    for operation in operations(CONTRACTS[name]):
        assert operation.says["security"] in ([], [{"bearer": []}]), operation.place


@contracts
def test_every_error_is_a_problem(name: str) -> None:
    for operation in operations(CONTRACTS[name]):
        for status, answer in operation.answers.items():
            if status.startswith(("4", "5")) and not is_health(operation, status):
                schema = answer["content"][PROBLEM]["schema"]
                assert list(answer["content"]) == [PROBLEM], (operation.place, status)
                assert schema == {"$ref": "#/components/schemas/Problem"}, (operation.place, status)


def is_health(operation: Operation, status: str) -> bool:
    """A health that is down is told with 503, in the shape of any health."""
    return status == "503" and operation.place.startswith("GET /health")


@contracts
def test_every_operation_lists_all_that_it_can_answer(name: str) -> None:
    for operation in operations(CONTRACTS[name]):
        has = operation.answers.keys()
        assert expected(operation, name) <= has, operation.place
        assert "default" not in has, f"{operation.place}: `default` says nothing"


def expected(operation: Operation, name: str) -> set[str]:
    """The errors that a route answers whatever it does, because of what it takes and who may."""
    is_health = operation.place.startswith("GET /health")
    statuses = {"500"}
    statuses |= set() if is_health else {"503"}
    statuses |= set() if is_health and name == GATEWAY else {"422"}  # a query that nobody declared
    statuses |= set() if operation.is_public else {"401"}
    statuses |= {"400", "413", "415"} if operation.body else set()
    statuses |= {"404"} if "{" in operation.place else set()
    if name == GATEWAY and not is_health:
        statuses |= {"429", "502", "504"}
        statuses |= {"408"} if operation.body else set()
    for parameter in operation.parameters:
        if parameter["name"] in ("If-Match", "Idempotency-Key"):
            statuses |= {"428"} | ({"412"} if parameter["name"] == "If-Match" else set())
        if parameter["name"] == "If-None-Match":
            statuses.add("304")
    return statuses


@contracts
def test_401_says_what_to_send_and_429_and_503_when_to_come_back(name: str) -> None:
    header = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for operation in operations(CONTRACTS[name]):
        for status in operation.answers.keys() & header.keys():
            if not is_health(operation, status):
                headers = operation.answers[status]["headers"]
                assert header[status] in headers, (operation.place, status)


@contracts
def test_everything_that_is_sent_has_an_example_and_every_example_is_valid(name: str) -> None:
    contract = CONTRACTS[name]
    for place, media in bodies(contract):
        assert "example" in media, f"{place} has no example"
        check(media["example"], media["schema"], contract, place)
    for operation in operations(contract):
        for parameter in operation.parameters:
            if "example" in parameter:
                check(parameter["example"], parameter["schema"], contract, operation.place)
    for schema in schemas(contract):
        for example in schema.get("examples", ()):
            check(example, schema, contract, str(schema))


def bodies(contract: Contract) -> Iterator[tuple[str, Contract]]:
    """(where, media type object) of every body that is sent, to a service or by it."""
    for operation in operations(contract):
        sent = {"takes": operation.body, **operation.answers}
        for when, message in sent.items():
            for media in message.get("content", {}).values():
                yield f"{operation.place} {when}", media
    for event, says in events(contract).items():
        for media in says["requestBody"]["content"].values():
            yield event, media


def schemas(tree: Any) -> Iterator[Contract]:
    """Everything that has a type, in all depths."""
    if isinstance(tree, dict):
        if isinstance(tree.get("type"), str | list) or "$ref" in tree:
            yield tree
        for key, below in tree.items():
            if key not in ("example", "examples"):
                yield from schemas(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from schemas(below)


def check(example: Any, schema: Contract, contract: Contract, place: str) -> None:
    whole = {**schema, "components": contract["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(example)] == [], place


@contracts
def test_whatever_comes_in_is_bounded(name: str) -> None:
    contract = CONTRACTS[name]
    for operation in operations(contract):
        taken = [parameter["schema"] for parameter in operation.parameters]
        taken += [media["schema"] for media in operation.body.get("content", {}).values()]
        for schema in taken:
            unbounded = [each for each in reached(schema, contract) if not is_bounded(each)]
            assert unbounded == [], operation.place


def reached(schema: Contract, contract: Contract) -> Iterator[Contract]:
    for each in schemas(schema):
        yield from reached(resolved(each, contract), contract) if "$ref" in each else [each]


def is_bounded(schema: Contract) -> bool:
    needs = {"string": {"maxLength"}, "array": {"maxItems"}, "integer": {"minimum", "maximum"}}
    kind = schema["type"]
    if kind == "object":
        return schema.get("additionalProperties") is False
    return "enum" in schema or needs.get(kind, set()) <= schema.keys()


@contracts
def test_answers_may_grow(name: str) -> None:
    contract = CONTRACTS[name]
    for operation in operations(contract):
        for status, answer in operation.answers.items():
            for media in answer.get("content", {}).values():
                for schema in reached(media["schema"], contract):
                    closed = schema.get("additionalProperties") is False
                    assert not closed, f"{operation.place} {status} forbids readers new fields"


@services
def test_every_event_has_an_envelope_its_data_and_its_way_to_the_queues(name: str) -> None:
    contract = CONTRACTS[name]
    for event, says in events(contract).items():
        (kind, media) = next(iter(says["requestBody"]["content"].items()))
        envelope, own = media["schema"]["allOf"]
        assert kind == "application/cloudevents+json"
        assert envelope == {"$ref": "#/components/schemas/Event"}
        assert own["properties"]["type"] == {"const": event}
        assert told(says)["type"] == "object" and told(says)["required"], event
        amqp = says["x-amqp"]
        assert (amqp["exchange"], amqp["exchangeType"]) == ("shop", "topic")
        assert amqp["routingKey"] == event
        assert all(re.fullmatch(r"[a-z-]+\.events", queue) for queue in amqp["queues"]), event
        assert says["security"] == []


@services
def test_whoever_hears_an_event_is_known_to_whoever_tells_it(name: str) -> None:
    hears = CONTRACTS[name]["x-hears"]
    tellers = {event: says for of in SERVICES for event, says in events(CONTRACTS[of]).items()}
    assert hears["exchange"] == "shop"
    for event in hears["events"]:
        assert event in tellers, f"{name} hears {event}, but nobody tells it"
        if (FOLDER / f"released/{name}.openapi.json").exists():
            assert hears["queue"] in tellers[event]["x-amqp"]["queues"], event


@services
def test_an_event_names_no_queue_that_does_not_hear_it(name: str) -> None:
    hears = {CONTRACTS[of]["x-hears"]["queue"]: CONTRACTS[of]["x-hears"] for of in SERVICES}
    for event, says in events(CONTRACTS[name]).items():
        for queue in says["x-amqp"]["queues"]:
            assert event in hears[queue]["events"], f"{queue} does not hear {event}"


def test_the_gateway_offers_what_the_services_offer_but_for_their_health_and_their_events() -> None:
    offered = {
        operation.place: operation
        for name in SERVICES
        for operation in operations(CONTRACTS[name])
        if not operation.place.startswith("GET /health")
    }
    public = {operation.place: operation for operation in operations(CONTRACTS[GATEWAY])}
    own = {"GET /health", "GET /health/live", "GET /health/ready"}
    assert public.keys() == offered.keys() | own
    assert "webhooks" not in CONTRACTS[GATEWAY]
    for place, theirs in offered.items():
        ours = public[place]
        assert without(ours.says, "responses") == without(theirs.says, "responses"), place
        assert ours.parameters == theirs.parameters, place
        for status, answer in theirs.answers.items():
            assert without(ours.answers[status], "headers") == without(answer, "headers"), place
            assert ours.answers[status]["headers"].items() >= answer.get("headers", {}).items()


def test_the_gateway_and_the_services_mean_the_same_by_a_schema() -> None:
    public = CONTRACTS[GATEWAY]["components"]["schemas"]
    own = {"Check", "Health", "ShopHealth"}
    for name in SERVICES:
        for schema, meaning in CONTRACTS[name]["components"]["schemas"].items():
            if schema in public.keys() - own:
                assert public[schema] == meaning, f"{schema} of {name}"


def without(thing: Contract, key: str) -> Contract:
    return {name: value for name, value in thing.items() if name != key}
