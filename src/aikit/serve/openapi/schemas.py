"""Models, lists and the policy file's tables as JSON Schemas of one document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from aikit.policy.file.limits import LIMIT
from aikit.policy.file.policies import NAMED, NAMED_FIELDS
from aikit.serve.control.listing import Listed
from aikit.serve.control.policies import LimitBody, PolicyBody
from aikit.serve.endpoints import Endpoint

REF = "#/components/schemas/"
Schema = dict[str, Any]


class Schemas:
    """The schemas of all endpoints: `components`, and where each model is among them."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
        for endpoint in endpoints:
            if endpoint.body is not None and endpoint.body not in (PolicyBody, LimitBody):
                wanted[endpoint.body, "validation"] = None
            if isinstance(endpoint.answer, Listed):
                wanted[endpoint.answer.row, "serialization"] = None
            elif endpoint.answer is not None:
                wanted[endpoint.answer, "serialization"] = None
        self._refs, found = models_json_schema(list(wanted), ref_template=REF + "{model}")
        self.components: Schema = dict(found.get("$defs", {})) | _of_policies()

    def of_body(self, model: type[BaseModel]) -> Schema:
        """The schema of a body."""
        if model is PolicyBody:
            return {"$ref": f"{REF}Policy"}
        return {"$ref": f"{REF}Limit"} if model is LimitBody else self._refs[model, "validation"]

    def of_answer(self, answer: Any) -> Schema:
        """The schema of an answer."""
        if isinstance(answer, Listed):
            return answer.schema(self._refs[answer.row, "serialization"])
        return self._refs[answer, "serialization"]


def parameters(query: type[BaseModel]) -> list[Schema]:
    """The parameters of a query."""
    found = query.model_json_schema()
    required = found.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            **({"description": schema["description"]} if "description" in schema else {}),
            "schema": _not_null(schema),
        }
        for name, schema in found["properties"].items()
    ]


def _not_null(schema: Schema) -> Schema:
    """In a query there is no null: what is not known is left out."""
    kept = {name: value for name, value in schema.items() if name not in ("title", "description", "anyOf")}
    if kept.get("default", "") is None:
        kept.pop("default")
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            kept |= option
    return kept


def _of_policies() -> Schema:
    """A policy and a limit as a policy file states them; the file's own schema, under names of this document."""
    inner = {"limit": LIMIT.schema, **{name: field.schema for name, field in NAMED_FIELDS.items()}}
    named = {"limit": "Limit"} | {name: f"policy.{name}" for name in NAMED_FIELDS}
    parts = {
        "Policy": {**NAMED.schema, "required": ["scope"]},
        **{named[name]: schema for name, schema in inner.items()},
    }
    return {name: _renamed(schema, named) for name, schema in parts.items()}


def _renamed(schema: Any, named: dict[str, str]) -> Any:
    if isinstance(schema, dict):
        return {
            key: REF + named[value.removeprefix("#/$defs/")]
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, named)
            for key, value in schema.items()
        }
    return [_renamed(item, named) for item in schema] if isinstance(schema, list | tuple) else schema
