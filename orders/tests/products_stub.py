"""Products, played by its contract: refuses what that does not allow, and answers as it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs

# The nearest ones: beside the service, or in it where it is a repository of its own.
CONTRACTS = next(filter(Path.is_dir, (at / "contracts" for at in Path(__file__).parents)))


class ProductsStub:
    """`GET /products`: the one route that orders asks."""

    def __init__(self, contract: dict[str, Any] | None = None) -> None:
        text = (CONTRACTS / "products.openapi.json").read_text
        self.contract = json.loads(text()) if contract is None else contract

    def take(self, method: str, url: str, headers: Mapping[str, str]) -> dict[str, list[str]]:
        """The query of a request that the contract allows; fails on any other."""
        asked = urlsplit(url)
        query = parse_qs(asked.query, keep_blank_values=True, strict_parsing=bool(asked.query))
        says = self._operation(method, asked.path)
        assert says["security"] == [] or "Authorization" in headers, "who asks?"
        known = {(each["in"], each["name"]): each for each in says["parameters"]}
        unknown = [name for name in query if ("query", name) not in known]
        assert not unknown, f"the contract knows no {unknown}"
        for (place, name), parameter in known.items():
            sent = [headers[name]] if place == "header" and name in headers else []
            sent = query.get(name, []) if place == "query" else sent
            assert sent or not parameter["required"], f"the contract needs {name}"
            if sent:
                self._check(_typed(sent, parameter["schema"]), parameter["schema"])
        return query

    def answer(self, status: int = 200) -> dict[str, Any]:
        """The contract's own example of an answer."""
        return deepcopy(self._media(status)["example"])

    def page(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """A page of products, each the contract's example but for what is given."""
        answer = self.answer()
        [example] = answer["items"]
        answer["items"] = [{**example, **item} for item in items]
        self._check(answer, self._media(200)["schema"])
        for item in items:
            unknown = item.keys() - example.keys()
            assert not unknown, f"the contract's products have no {unknown}"
        return answer

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        says = self.contract["paths"].get(path, {}).get(method.lower())
        assert says, f"the contract has no {method} {path}"
        return says

    def _media(self, status: int) -> dict[str, Any]:
        answer = self._operation("GET", "/products")["responses"][str(status)]
        for word in answer.get("$ref", "").split("/")[1:]:
            answer = self.contract if word == "components" else answer
            answer = answer[word]
        [media] = answer["content"].values()
        return media

    def _check(self, value: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self.contract["components"]}
        validator = jsonschema_rs.validator_for(whole, validate_formats=True)
        assert [error.message for error in validator.iter_errors(value)] == [], value


def _typed(sent: list[str], schema: dict[str, Any]) -> Any:
    """A parameter as the contract means it; everything is text on the wire."""
    if schema["type"] == "array":
        return [_typed([each], schema["items"]) for each in sent]
    assert len(sent) == 1, f"{sent} where the contract takes one"
    if schema["type"] == "integer" and sent[0].lstrip("-").isdigit():
        return int(sent[0])
    return {"true": True, "false": False}.get(sent[0]) if schema["type"] == "boolean" else sent[0]
