"""The OpenAPI document of the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aikit import __version__
from aikit.serve.endpoints import Endpoint
from aikit.serve.model import Right
from aikit.serve.openapi import errors, proxied
from aikit.serve.openapi.examples import ANSWERS
from aikit.serve.openapi.schemas import Schemas, parameters

STRING: dict[str, Any] = {"type": "string"}
ABOUT = """
Metered, capped and accounted calls of language models. The providers' own APIs are there as they are; beside them the
native endpoint, and a control plane for applications that only want decisions: one billed request is one
`POST /v1/evaluate` with a hold and one `POST /v1/usage`.

On every path, what is no HTTP (400), and a head that is too slow (408) or too large (431), is refused in the native
form, and hung up on.

A key sees its tenant and environment alone, and one that is bound to a user or a feature that one alone. Money is in
exact decimal strings of dollars (`…_usd`) and in whole credits, times are UTC. HEAD is answered wherever GET is.
"""
TAGS = {
    "Native": "Calls in a form that is the same for all providers.",
    "Control plane": "Decisions without dispatch, holds, and what was used.",
    "Reads": "What was used, what may be, and why.",
    "Admin": "Keys and policies. Every change is in the audit, under the id of the key that made it.",
    "Providers' APIs": "OpenAI's, Anthropic's and Gemini's own.",
    "Operations": "For whoever runs the server.",
}
CALLER = {
    "x-aikit-user": "The user in whose name it is; a key that is bound to one can't claim another.",
    "x-aikit-feature": "The feature, likewise.",
}
TOLD = {
    "x-aikit-decision-id": "The id of the decision.",
    "x-aikit-call-id": "The id of the call.",
    "x-aikit-cost-usd": "What it cost, as an exact decimal string.",
    "x-aikit-credits": "The same in whole credits.",
}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    listed = list(endpoints)
    schemas = Schemas(listed)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        operation = _operation(endpoint, schemas)
        paths.setdefault(proxied.template(endpoint.path), {})[endpoint.method.lower()] = operation
    for path, item in {**proxied.paths(), **proxied.operations()}.items():
        paths.setdefault(path, {}).update(item)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aikit serve",
            "version": __version__,
            "description": ABOUT.strip(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components | {"Error": errors.SCHEMA},
            "responses": errors.components(),
            "securitySchemes": _security(),
        },
        "security": [{"bearer": []}],
    }


def _operation(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    right = f"The key needs the scope `{endpoint.right}`." if endpoint.right else "No key is needed."
    operation: dict[str, Any] = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": f"{endpoint.text.strip()}\n\n{right}".strip(),
        "operationId": operation_id(endpoint),
        "responses": {str(endpoint.status): _answer(endpoint, schemas)}
        | errors.responses([*(errors.COMMON if endpoint.right else errors.WITHOUT_KEY), *endpoint.errors]),
    }
    if found := _parameters(endpoint):
        operation["parameters"] = found
    if endpoint.body is not None:
        content: dict[str, Any] = {"schema": schemas.of_body(endpoint.body)}
        if endpoint.example is not None:
            content["example"] = dict(endpoint.example)
        operation["requestBody"] = {"required": endpoint.body_needed, "content": {"application/json": content}}
    if endpoint.right is None:
        operation["security"] = []
    else:
        operation["x-right"] = str(endpoint.right)
    return operation


def _answer(endpoint: Endpoint, schemas: Schemas) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schemas.of_answer(endpoint.answer) if endpoint.answer else {"type": "object"}}
    if (example := ANSWERS.get(operation_id(endpoint))) is not None:
        content["example"] = example
    answer: dict[str, Any] = {"description": endpoint.summary, "content": {"application/json": content}}
    if endpoint.events:
        answer["content"]["text/event-stream"] = {"schema": STRING, "example": endpoint.events}
    if endpoint.once:
        answer["headers"] = {name: {"description": words, "schema": STRING} for name, words in TOLD.items()}
    return answer


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": dict(schema)}
        for name, schema in endpoint.params.items()
    ]
    if endpoint.query is not None:
        found += parameters(endpoint.query)
    if endpoint.once:
        told = {"Idempotency-Key": "Of all requests with it one counts; it is kept for 24 hours.", **CALLER}
        found += [_header(name, words) for name, words in told.items()]
    return found


def _header(name: str, words: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": words, "schema": STRING}


def operation_id(endpoint: Endpoint) -> str:
    """`post_v1_evaluate`, `get_v1_decisions_id`."""
    words = [part.strip("{}.") for part in endpoint.path.split("/") if part]
    return "_".join([endpoint.method.lower(), *words]).replace(".", "_")


def _security() -> Mapping[str, Any]:
    rights = ", ".join([f"`{right}`" for right in Right])
    words = f"A key of this server, `aik_…`. Its scopes ({rights}) say what it may do."
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": words},
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": words},
        "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": words},
    }
