"""A Postman collection of the story: method, path, access and descriptions come from the contract,
and a step that does not fit it is refused."""

import json
from collections.abc import Iterator
from typing import Any

from postman_story import STORY, Step

Json = dict[str, Any]
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_MOST_LOOKS = 600  # 100 ms apart, at what an event is to change


class StoryError(Exception):
    """A step does not fit the contract; the text says which and why."""


def collection(contract: Json) -> Json:
    """The story in the format of Postman, v2.1. Raises StoryError."""
    info, kept = contract["info"], {name for step in STORY for name in step.keeps}
    variables = sorted({"email", "key", "password", *kept})
    bearer = {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]}
    return {
        "info": {
            "name": f"{info['title']} {info['version']}: the story of a customer",
            "description": "Run it as a whole, from top to bottom. `base_url` says where.",
            "schema": _SCHEMA,
        },
        "auth": bearer,
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:8080"},
            {"key": "looks", "value": "0"},
            *({"key": name, "value": ""} for name in variables),
        ],
        "item": [_item(step, contract) for step in STORY],
    }


def _item(step: Step, contract: Json) -> Json:
    path, method, operation, parameters = _find(step.operation, contract)
    _check(step, operation, parameters, contract)
    request: Json = {
        "method": method.upper(),
        "description": "\n\n".join(
            operation[name] for name in ("summary", "description") if name in operation
        ),
        "header": _values(step, "header", parameters),
        "url": _url(path, _values(step, "path", parameters), _values(step, "query", parameters)),
    }
    if operation.get("security") == []:
        request["auth"] = {"type": "noauth"}
    if step.body is not None:
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {"mode": "raw", "raw": json.dumps(step.body, indent=2)}
    events = {"prerequest": list(step.before), "test": list(_script(step))}
    return {
        "name": step.title,
        "event": [
            {"listen": when, "script": {"type": "text/javascript", "exec": lines}}
            for when, lines in events.items()
            if lines
        ],
        "request": request,
    }


def _values(step: Step, place: str, parameters: list[Json]) -> list[Json]:
    return [
        {
            "key": parameter["name"],
            "value": step.values[parameter["name"]],
            "description": parameter.get("description", ""),
        }
        for parameter in parameters
        if parameter["in"] == place and parameter["name"] in step.values
    ]


def _url(path: str, ids: list[Json], query: list[Json]) -> Json:
    for told in ids:
        path = path.replace(f"{{{told['key']}}}", told["value"])
    asked = "&".join(f"{told['key']}={told['value']}" for told in query)
    return {
        "raw": "{{base_url}}" + path + (f"?{asked}" if asked else ""),
        "host": ["{{base_url}}"],
        "path": path.strip("/").split("/"),
        "query": query,
    }


def _find(name: str, contract: Json) -> tuple[str, str, Json, list[Json]]:
    """Path, method, operation and parameters of what the contract calls so."""
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            if method != "parameters" and operation["operationId"] == name:
                both = [*item.get("parameters", []), *operation.get("parameters", [])]
                return path, method, operation, both
    raise StoryError(f"{name} is no operation of the contract")


def _check(step: Step, operation: Json, parameters: list[Json], contract: Json) -> None:
    """What is sent and expected is in the contract, and what it requires is sent."""
    if str(step.status) not in operation["responses"]:
        raise StoryError(f"{step.title}: {step.operation} does not answer with {step.status}")
    required = {p["name"] for p in parameters if p.get("required")}
    _fits(f"{step.title}: parameters", set(step.values), required, {p["name"] for p in parameters})
    body: Json = {"properties": {}}
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        body = contract["components"]["schemas"][reference.rpartition("/")[2]]
    sent = set(step.body or {})
    _fits(f"{step.title}: body", sent, set(body.get("required", [])), set(body["properties"]))


def _fits(what: str, sent: set[str], required: set[str], known: set[str]) -> None:
    if sent - known or required - sent:
        raise StoryError(
            f"{what}: unknown {sorted(sent - known)}, missing {sorted(required - sent)}"
        )


def _script(step: Step) -> Iterator[str]:
    """What Postman does with the answer: asks again, or checks it and keeps what is needed."""
    status = f"pm.response.to.have.status({step.status})"
    yield f'pm.test("the answer is {step.status}", () => {status});'
    if step.status != 204:
        yield "const answer = pm.response.json();"
    found = [
        f'pm.test("{sentence}", () => pm.expect({condition}).to.be.true);'
        for sentence, condition in step.checks.items()
    ]
    found += [
        f'pm.collectionVariables.set("{name}", answer.{where});'
        for name, where in step.keeps.items()
    ]
    if not step.until:
        yield from found
        return
    yield 'const looks = 1 + Number(pm.collectionVariables.get("looks"));'
    yield f"const again = !({step.until}) && looks < {_MOST_LOOKS};"
    yield 'pm.collectionVariables.set("looks", again ? looks : 0);'
    yield "if (again) {"
    yield "  setTimeout(() => {}, 100);"
    yield "  pm.execution.setNextRequest(pm.info.requestName);"
    yield "} else {"
    yield from (f"  {line}" for line in found)
    yield "}"
