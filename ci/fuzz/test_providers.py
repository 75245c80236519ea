"""Every service answers what its contract says, whatever it is asked and whoever asks.

schemathesis makes the requests from the committed file, right ones and wrong ones. The contracts
have no `links`: which answer leads to which request is inferred from their schemas.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from uuid import uuid4
from zlib import crc32

import hypothesis
import pytest
import schemathesis
from conftest import (
    ANSWERS,
    CONTRACTS,
    EXAMPLES,
    SEED,
    Person,
    Target,
    add_product,
    new_login,
    newcomer,
)
from hypothesis import Phase
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
FILES = {"gateway": "api-gateway"}  # the others are called as their service
ENDS_SESSIONS = {"log_out", "log_out_everywhere"}
SETTINGS = hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None)
STORIES = partial(
    hypothesis.settings, phases=[Phase.generate], stateful_step_count=20, deadline=None
)


def contract(service: str) -> schemathesis.BaseSchema:
    path = CONTRACTS / f"{FILES.get(service, service)}.openapi.json"
    return schemathesis.openapi.from_path(path, config=SchemathesisConfig(seed=SEED))


def name_of(operation: schemathesis.APIOperation) -> str:
    return operation.definition.raw["operationId"]


def call(case: schemathesis.Case, target: Target, service: str, role: str) -> Response:
    """The answer. What would end the session or take the roles we go on with hits another."""
    name, person = name_of(case.operation), target.people[role]
    told = (case.path_parameters, case.query, case.headers, case.body)
    if crc32(repr(told).encode()) % 2:  # half of them, and the same case always alike
        inform(case, name, target, person)
    if name in ENDS_SESSIONS:
        person = target.leaver
    elif name == "set_roles" and case.path_parameters.get("user_id") in target.kept():
        case.path_parameters = {"user_id": newcomer(target.addresses["users"]).user_id}
    answer = case.call(
        base_url=target.addresses[service],
        session=target.session,
        headers={"Authorization": person.token()},
    )
    asked = name if case.method.upper() == case.operation.method.upper() else "another method"
    ANSWERS[service, asked, answer.status_code] += 1
    if name in ENDS_SESSIONS and answer.status_code == 204:
        target.leaver = newcomer(target.addresses["users"])
    return answer


def inform(case: schemathesis.Case, name: str, target: Target, person: Person) -> None:
    """Tell a case what nobody can guess, or it would only ever be refused.

    What it holds is replaced, not changed: it may be an example of the contract.
    """
    if any(header.name == "If-Match" for header in case.operation.headers):
        case.headers = {**(case.headers or {}), "If-Match": "*"}
    if name in ("change_product", "replace_product"):
        case.path_parameters = {"product_id": target.other}
    elif name == "remove_product":
        case.path_parameters = {"product_id": add_product(target.people["admin"])}
    elif name in ("get_order", "cancel_order"):
        case.path_parameters = {"order_id": person.order_id}
    elif name == "read_notification":
        case.path_parameters = {"notification_id": person.notification_id}
    if not isinstance(case.body, dict):
        return
    if name in ("add_product", "replace_product"):
        case.body = case.body | {"sku": uuid4().hex}  # the simplest ones are soon taken
    elif name == "register":
        case.body = case.body | {"email": new_login()["email"]}
    elif name == "log_in":
        case.body = case.body | target.login
    elif name == "send_alert":
        case.body = case.body | {"user_id": person.user_id}
    elif name == "refresh":
        case.body = case.body | {"refresh_token": newcomer(target.addresses["users"]).refresh_token}
    elif name == "place_order" and isinstance(items := case.body.get("items"), list):
        known = zip(items, target.wares, strict=False)
        told = [item | {"product_id": pk} for item, pk in known if isinstance(item, dict)]
        case.body = case.body | {"items": told}


def each_operation(service: str, role: str) -> Callable:
    """A test for every operation; as a customer, of those that ask for a token."""
    schema = contract(service)
    if role != "admin":
        schema = schema.include(lambda context: context.operation.definition.raw["security"])

    @schema.parametrize()
    @SETTINGS
    def test(case: schemathesis.Case, target: Target) -> None:
        case.validate_response(call(case, target, service, role), checks=CHECKS)

    return test


def story(service: str, role: str) -> Callable:
    """A test that goes from answer to request: what was made is shown, changed, removed.

    Hypothesis begins stories again, and the shop has moved on: then it goes on with another seed.
    """

    def test(target: Target) -> None:
        Machine = contract(service).as_state_machine()
        told, found = 0, []

        class Story(Machine):
            def setup(self) -> None:
                nonlocal told
                told += 1
                super().setup()

            def call(self, case: schemathesis.Case, **options: object) -> Response:
                return call(case, target, service, role)

            def validate_response(
                self, response: Response, case: schemathesis.Case, **options: object
            ) -> None:
                try:
                    case.validate_response(response, checks=CHECKS)
                except Exception as failure:
                    found.append(failure)
                    raise

        for seed in count(SEED):
            with suppress(FlakyStrategyDefinition):
                hypothesis.seed(seed)(Story).run(settings=STORIES(max_examples=EXAMPLES - told))
            if found:
                raise found[0]
            if told >= EXAMPLES:
                return

    return test


def each_was_done(service: str) -> Callable:
    """A test that no operation was only ever refused."""

    def test() -> None:
        asked = {name for of, name, _ in ANSWERS if of == service} - {"another method"}
        if not asked:
            pytest.skip("nothing was asked of it in this run")
        done = {name for of, name, status in ANSWERS if of == service and status < 400}
        assert asked - done == set()

    return test


for _service in ("users", "products", "orders", "notifications", "gateway"):
    for _role, _who in (("admin", "an_admin"), ("customer", "a_customer")):
        globals()[f"test_{_service}_keeps_its_word_to_{_who}"] = each_operation(_service, _role)
        globals()[f"test_{_service}_keeps_it_step_by_step_to_{_who}"] = story(_service, _role)
    globals()[f"test_{_service}_was_seen_to_do_all_that_it_can"] = each_was_done(_service)


def test_nobody_was_locked_out_by_what_was_asked(target: Target) -> None:
    for role, person in target.people.items():
        person.token()
        assert role in person.get("/users/me").json()["roles"]
