"""The paths of the providers' own APIs, whose bodies are those of their documentation, and those of operations."""

from __future__ import annotations

from typing import Any

from aikit.serve.openapi import errors
from aikit.serve.proxy import PATHS

DOCS = {
    "openai": "https://platform.openai.com/docs/api-reference",
    "anthropic": "https://docs.anthropic.com/en/api",
    "gemini": "https://ai.google.dev/api",
}
NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}
SUMMARY = {
    "/v1/chat/completions": "Chat completions",
    "/v1/messages": "Messages",
    "/v1/responses": "Responses",
    "/v1/embeddings": "Embeddings",
    "/v1/messages/count_tokens": "Count the tokens of messages",
    "/v1beta/models/{rest...}": "generateContent, streamGenerateContent, countTokens and the like of a model",
    "/v1/models/{rest...}": "One model, or generateContent of one in version 1 of Gemini's API",
    "/v1/models": "The models of all providers of this API that the key may use, and the routes",
    "/v1beta/models": "The models of Gemini",
}
TEXT = (
    "The provider's own API: request and response are its, byte for byte but for the name of the model and what "
    "metering writes in. Refusals are told in its error format. `model` may be `provider/model`, a model, or a route."
)
OBJECT: dict[str, Any] = {"type": "object"}
STRING: dict[str, Any] = {"type": "string"}
CHECKED = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}, "checks": {"type": "object"}},
}


def template(path: str) -> str:
    """The path as OpenAPI writes it."""
    return path.replace("...}", "}")


def paths() -> dict[str, dict[str, Any]]:
    """All paths of the providers' APIs."""
    found: dict[str, dict[str, Any]] = {}
    for method, path, shape in PATHS:
        found.setdefault(template(path), {})[method.lower()] = _operation(method, path, shape)
    return found


def _operation(method: str, path: str, shape: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": ["Providers' APIs"],
        "summary": f"{NAMES[shape]}: {SUMMARY[path]}",
        "description": TEXT,
        "operationId": _id(method, path),
        "externalDocs": {"url": DOCS[shape]},
        "security": [{"bearer": []}, {"x-api-key": []}, {"x-goog-api-key": []}],
        "x-right": "complete",
        "responses": {
            "200": {
                "description": "The provider's answer, whole or as a stream of its events.",
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            "default": {
                "description": "The provider's error, or a refusal in its format; of what is no HTTP (400), and of a "
                "head that is too slow (408), in the native form.",
                "content": {"application/json": {"schema": {}}},
            },
            **errors.responses([431]),
        },
    }
    if "{rest" in path:
        operation["parameters"] = [{"name": "rest", "in": "path", "required": True, "schema": STRING}]
    if method == "POST":
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": OBJECT}}}
    return operation


def _id(method: str, path: str) -> str:
    words = [part for part in path.replace("...", "").replace("{", "").replace("}", "").split("/") if part]
    return "_".join([method.lower(), *words]).replace(".", "_")


def operations() -> dict[str, dict[str, Any]]:
    """What whoever runs the server asks."""

    def get(summary: str, responses: dict[str, Any], security: list[Any]) -> dict[str, Any]:
        return {"get": {"tags": ["Operations"], "summary": summary, "security": security, "responses": responses}}

    def checked(words: str) -> dict[str, Any]:
        return {"description": words, "content": {"application/json": {"schema": CHECKED}}}

    keyless, keyed = errors.responses(errors.WITHOUT_KEY), errors.responses([*errors.COMMON, 404])
    ready = {"200": checked("They may."), "503": checked("Not now: `checks` says why.")}
    text = {"text/plain": {"schema": STRING}, "application/openmetrics-text": {"schema": STRING}}
    metrics = {"200": {"description": "Prometheus metrics of all tenants.", "content": text}} | keyed
    return {
        "/healthz": get("It is running", {"200": checked("It is.")} | keyless, []),
        "/readyz": get("Calls may be sent here", ready | keyless, []),
        "/metrics": get("Metrics, for an operator's key with the scope admin", metrics, [{"bearer": []}]),
    }
