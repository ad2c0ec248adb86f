"""The API against its own description: made-up questions get described answers, and never a 500."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.gateway.seeded_park import SeededPark

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
EXAMPLES = 12  # of each call: enough to meet every kind of parameter wrong once


def test_made_up_questions_get_described_answers(seeded_park: SeededPark) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", seeded_park.app)
    asked = 0
    for operation in (found.ok() for found in schema.get_all_operations()):
        if operation.method.upper() != "GET":
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(headers=seeded_park.headers("admin"), checks=CHECKS)

        ask()
    assert asked > 100
