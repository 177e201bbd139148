"""Requests made from the service's own OpenAPI document: each answer is one that it announces."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error, content_type_conformance, response_schema_conformance,
    status_code_conformance,
]  # fmt: skip
CALM = settings(
    max_examples=20, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
)  # fmt: skip


@pytest.fixture(scope="module")
def operations(service) -> list:
    """All that the running service says can be asked."""
    headers = {"authorization": f"Bearer {service.full}"}
    url = f"{service.server.url}/openapi.json"
    document = schemathesis.openapi.from_url(url, headers=headers)
    return [found.ok() for found in document.get_all_operations()]


def test_every_operation(service, operations):
    headers = {"authorization": f"Bearer {service.full}"}
    assert len(operations) > 10
    for operation in operations:

        @CALM
        @given(case=operation.as_strategy())
        def ask(case):
            case.call_and_validate(headers=headers, checks=CHECKS)

        ask()
