"""Which of our codes a provider's failure has. Words go before statuses where a status says too little. Pure."""

from __future__ import annotations

import re

from aikit.failures.said import Said

QUOTA = frozenset(
    {
        "insufficient_quota",
        "insufficient_credits",
        "insufficient_balance",
        "credit_balance_exhausted",
        "quota_exceeded",
        "billing_error",
        "billing_not_active",
        "billing_hard_limit_reached",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
    }
)
CONTEXT = frozenset(
    {
        "context_length_exceeded",
        "string_above_max_length",
        "exceed_context_size_error",
        "request_too_large",
        "request_body_too_large_after_decoding",
    }
)
FILTERED = frozenset(
    {
        "content_filter",
        "content_filtered",
        "content_policy_violation",
        "image_content_policy_violation",
        "ResponsibleAIPolicyViolation",
        "moderation_blocked",
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "data_inspection_failed",
    }
)
NO_MODEL = frozenset({"model_not_found", "DeploymentNotFound", "not_found_error", "NOT_FOUND", "NotFoundError"})
SIGN_IN = frozenset(
    {
        "invalid_api_key",
        "API_KEY_INVALID",
        "API_KEY_SERVICE_BLOCKED",
        "authentication_error",
        "permission_error",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "AuthenticationError",
        "PermissionDenied",
        "PermissionDeniedError",
        "unsupported_country_region_territory",
        "account_deactivated",
    }
)
TELLING = (
    (QUOTA, "INSUFFICIENT_QUOTA"),
    (CONTEXT, "CONTEXT_LENGTH_EXCEEDED"),
    (FILTERED, "CONTENT_FILTERED"),
    (NO_MODEL, "MODEL_NOT_FOUND"),
    (SIGN_IN, "AUTHENTICATION_FAILED"),
)
"""Words that say more than the status they come with."""
PLAIN = {
    "rate_limit_error": "RATE_LIMITED",
    "rate_limit_exceeded": "RATE_LIMITED",
    "RateLimitError": "RATE_LIMITED",
    "RESOURCE_EXHAUSTED": "RATE_LIMITED",
    "overloaded_error": "OVERLOADED",
    "server_is_overloaded": "OVERLOADED",
    "slow_down": "OVERLOADED",
    "UNAVAILABLE": "OVERLOADED",
    "timeout_error": "TIMEOUT",
    "DEADLINE_EXCEEDED": "TIMEOUT",
    "vector_store_timeout": "TIMEOUT",
    "invalid_request_error": "BAD_REQUEST",
    "BadRequestError": "BAD_REQUEST",
    "INVALID_ARGUMENT": "BAD_REQUEST",
    "FAILED_PRECONDITION": "BAD_REQUEST",
    "OUT_OF_RANGE": "BAD_REQUEST",
}
"""Words that say as much as a status: for errors in a stream, whose status says that all is well."""
TEXTS = (
    (
        re.compile(
            r"credit balance is too low|specified api usage limits|spend(?:ing)? (?:limit|cap)|prepayment credits"
        ),
        "INSUFFICIENT_QUOTA",
    ),
    (
        re.compile(
            r"prompt is too long|exceeds? the maximum number of tokens|input is too long|maximum context length"
            r"|exceeds? (?:the )?context (?:window|limit)|context length is only|available context size"
        ),
        "CONTEXT_LENGTH_EXCEEDED",
    ),
    (re.compile(r"blocked by content filtering policy"), "CONTENT_FILTERED"),
    (re.compile(r"is not a valid model id|not found, try pulling it first"), "MODEL_NOT_FOUND"),
    (
        re.compile(
            r"api key (?:not valid|not found|expired)|user location is not supported|not available in your country"
        ),
        "AUTHENTICATION_FAILED",
    ),
)
"""How providers word what neither their codes nor their statuses tell from any other bad request."""
STATUSES = {
    401: "AUTHENTICATION_FAILED",
    402: "INSUFFICIENT_QUOTA",
    403: "AUTHENTICATION_FAILED",
    404: "MODEL_NOT_FOUND",
    408: "TIMEOUT",
    413: "CONTEXT_LENGTH_EXCEEDED",
    429: "RATE_LIMITED",
    503: "OVERLOADED",
    504: "TIMEOUT",
    522: "TIMEOUT",
    524: "TIMEOUT",
    529: "OVERLOADED",
}
STATUS_OF = {
    "PROVIDER_NOT_CONFIGURED": 401,
    "AUTHENTICATION_FAILED": 401,
    "INSUFFICIENT_QUOTA": 402,
    "MODEL_NOT_FOUND": 404,
    "CONTEXT_LENGTH_EXCEEDED": 400,
    "CONTENT_FILTERED": 400,
    "BAD_REQUEST": 400,
    "RATE_LIMITED": 429,
    "OVERLOADED": 503,
    "TIMEOUT": 504,
    "CONNECTION_FAILED": 502,
    "PROVIDER_ERROR": 502,
}
"""All our codes, with the status that says the same where the provider gave none."""
RETRYABLE = frozenset({"RATE_LIMITED", "OVERLOADED", "TIMEOUT", "CONNECTION_FAILED", "PROVIDER_ERROR"})
"""Our codes of failures that trying again can help against. They are also what a breaker counts."""
GONE_FOR_THE_DAY = "PerDay"
"""In the ids of Google's quotas; those of a minute have PerMinute. Both come with the same status and text."""


def code_of(status: int, body: Said) -> str:
    """Our code for an answer with this status, or for an error inside a stream that began with it."""
    for words, code in TELLING:
        if not words.isdisjoint(body.words):
            return code
    if body.flagged:
        return "CONTENT_FILTERED"
    if any(GONE_FOR_THE_DAY in quota for quota in body.quotas):
        return "INSUFFICIENT_QUOTA"
    if status < 500:
        for pattern, code in TEXTS:
            if pattern.search(body.text):
                return code
    if status < 300:
        return _in_stream(body)
    return by_status(status)


def by_status(status: int) -> str:
    """Our code for a status of 300 or above that comes with no telling word. A redirection is a wrong address."""
    return STATUSES.get(status) or ("PROVIDER_ERROR" if status >= 500 else "BAD_REQUEST")


def _in_stream(body: Said) -> str:
    if body.number is not None:
        return by_status(body.number)
    return next((PLAIN[word] for word in body.words if word in PLAIN), "PROVIDER_ERROR")
