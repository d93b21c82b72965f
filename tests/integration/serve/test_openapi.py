"""GET /openapi.json says what the server does: its routes, its rights, its answers. Schemathesis tries it out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from aikit.config import Settings
from aikit.database.connect import Database
from aikit.ledger.verify import verify
from aikit.serve.model import ServeOptions, Service
from aikit.serve.openapi.proxied import template
from aikit.serve.parts import parts_of
from support.control import MODEL, Plane, all_parts
from support.kits import Books
from support.serving import serving

EXAMPLES = int(os.environ.get("AIKIT_SCHEMATHESIS_EXAMPLES", "20"))
"""How many requests schemathesis makes up an operation and phase; raise it for a soak."""
SECONDS = int(os.environ.get("AIKIT_SCHEMATHESIS_SECONDS", "300"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)


@pytest.fixture
def document(plane: Plane) -> dict[str, Any]:
    answer = httpx2.get(f"{plane.serving.url}/openapi.json")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def test_every_route_is_in_it_and_nothing_else(plane: Plane, document: dict[str, Any]) -> None:
    service: Service = plane.serving.app.service
    routes = {(route.method, template(route.path)): route.right for route in parts_of(service)[0]}
    told = {(method, path): operation for method, path, operation in operations(document)}
    assert routes.keys() == told.keys()
    for key, right in routes.items():
        keyless = told[key].get("security") == []
        assert keyless is (right is None), key
        if "x-right" in told[key]:
            assert told[key]["x-right"] == str(right), key


def test_every_operation_says_what_it_is_and_what_it_refuses_with(document: dict[str, Any]) -> None:
    ids = []
    for method, path, operation in operations(document):
        assert operation["summary"] and operation["responses"], path
        assert "431" in operation["responses"], path
        assert {"400", "408"} <= operation["responses"].keys() or "default" in operation["responses"], path
        ids.append(operation.get("operationId", f"{method} {path}"))
        if operation["tags"][0] in ("Native", "Control plane", "Reads", "Admin"):
            assert {"400", "401", "403", "408", "413", "429", "500", "503"} <= operation["responses"].keys(), path
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"this is no HTTP\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nhost: x\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", 408),
    ],
)
def test_what_a_connection_is_refused_with_is_documented_for_all_operations(
    said: bytes, status: int, settings: Settings
) -> None:
    with serving(settings, ServeOptions(head_seconds=0.2), more=all_parts) as served:
        document = httpx2.get(f"{served.url}/openapi.json").json()
        with served.connect() as connection:
            connection.sendall(said)
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    told = document["components"]["responses"][str(status)]["content"]["application/json"]
    schema = told["schema"] | {"components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))


def test_every_example_is_as_its_schema_says(document: dict[str, Any]) -> None:
    found = 0
    for place, content in _contents(document, ""):
        if "example" in content and "json" in place:
            schema = content["schema"] | {"components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(content["example"])
            found += 1
    assert found > 40


def test_every_answer_of_ours_has_an_example(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        if operation["tags"][0] in ("Native", "Control plane", "Reads", "Admin"):
            said = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
            assert "example" in said["content"]["application/json"], path
            if "requestBody" in operation:
                assert "example" in operation["requestBody"]["content"]["application/json"], path


def _contents(value: Any, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        for key, inside in value.items():
            if key == "content" and isinstance(inside, dict):
                yield from [(f"{at}/{kind}", one) for kind, one in inside.items()]
            yield from _contents(inside, f"{at}/{key}")


@pytest.mark.parametrize("whose", ["tenant", "operator"])
def test_no_answer_is_a_fault_or_is_not_documented(plane: Plane, books: Books, tmp_path: Path, whose: str) -> None:
    plane.acme.report(plane.acme.evaluate()["hold"]["id"])
    plane.acme.post("/v1/usage", {"model": MODEL, "usage": {"input": 3}, "usage_id": "1"})
    asking = plane.acme if whose == "tenant" else plane.caller("aik_test_operator", tenant=None)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{plane.serving.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {asking.secret}", "--checks", CHECKS, "--workers", "1"),
        *(
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            str(EXAMPLES),
            "--generation-database",
            ":memory:",
        ),
        *("--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off"),
        *("--continue-on-failure", "--max-failures", "20", "--no-color"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    for hold in books.rows("SELECT attempt FROM aikit.holds"):
        assert plane.acme.post(f"/v1/holds/{hold['attempt']}/void").status_code == 200
    plane.serving.kit.flush()
    assert books.holds() == 0
    assert verify(Database(books.dsn, False, "test")).findings == []
