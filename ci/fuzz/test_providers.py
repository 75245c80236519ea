"""Every service answers what its contract says, whatever it is asked and whoever asks.

schemathesis makes the requests from the committed file, right ones and wrong ones. The contracts
have no `links`: which answer leads to which request is inferred from their schemas.
"""

from collections.abc import Callable

import hypothesis
import schemathesis
from conftest import ANSWERS, CONTRACTS, EXAMPLES, SEED, Target, newcomer
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


def contract(service: str) -> schemathesis.BaseSchema:
    path = CONTRACTS / f"{FILES.get(service, service)}.openapi.json"
    return schemathesis.openapi.from_path(path, config=SchemathesisConfig(seed=SEED))


def name_of(operation: schemathesis.APIOperation) -> str:
    return operation.definition.raw["operationId"]


def call(case: schemathesis.Case, target: Target, service: str, role: str) -> Response:
    """The answer. What would end the session or take the roles we go on with hits another."""
    name, person = name_of(case.operation), target.people[role]
    if name in ENDS_SESSIONS:
        person = target.leaver
    elif name == "set_roles" and case.path_parameters.get("user_id") in target.kept():
        case.path_parameters["user_id"] = newcomer(target.base_url).user_id
    answer = case.call(
        base_url=target.addresses[service],
        session=target.session,
        headers={"Authorization": person.token()},
    )
    ANSWERS[service, name, answer.status_code] += 1
    if name in ENDS_SESSIONS and answer.status_code == 204:
        target.leaver = newcomer(target.base_url)
    return answer


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
    """A test that goes from answer to request: what was made is shown, changed, removed."""

    def test(target: Target) -> None:
        Machine = contract(service).as_state_machine()

        @hypothesis.seed(SEED)
        class Story(Machine):
            def call(self, case: schemathesis.Case, **options: object) -> Response:
                return call(case, target, service, role)

            def validate_response(
                self, response: Response, case: schemathesis.Case, **options: object
            ) -> None:
                case.validate_response(response, checks=CHECKS)

        Story.run(settings=hypothesis.settings(Machine.TestCase.settings, max_examples=EXAMPLES))

    return test


for _service in ("users", "products", "orders", "notifications", "gateway"):
    for _role, _who in (("admin", "an_admin"), ("customer", "a_customer")):
        globals()[f"test_{_service}_keeps_its_word_to_{_who}"] = each_operation(_service, _role)
        globals()[f"test_{_service}_keeps_it_step_by_step_to_{_who}"] = story(_service, _role)


def test_nobody_was_locked_out_by_what_was_asked(target: Target) -> None:
    for role, person in target.people.items():
        person.token()
        assert role in person.get("/users/me").json()["roles"]
