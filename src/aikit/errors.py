"""Every error that aikit raises, one tree.

    AIKitError
    ├── ConfigError                     aikit.toml, .env or an argument can't be used
    ├── DatabaseError
    │   ├── DatabaseUnavailable         no connection
    │   ├── SchemaBehind                a migration is missing
    │   └── EmbeddedFailed              the embedded PostgreSQL did not start
    ├── PromptError                     a prompt can't be used
    │   ├── PromptInvalid               its file, its template or its lock is wrong
    │   ├── PromptNotFound              there is no such prompt, version or label
    │   ├── PromptChanged               its content is not what was locked or published
    │   ├── GateNotPassed               a label may not point to it: no eval gate has passed for this content
    │   └── PromptInputInvalid          the inputs are not what it declares
    ├── EvalError                       an eval can't be run, or what it has left behind can't be used
    │   ├── RunNotFound                 there is no such stored run
    │   ├── RunInvalid                  the file of a stored run can't be read
    │   ├── BaselineInvalid             the file of a baseline can't be read
    │   ├── BlessRefused                a run can't become the baseline
    │   ├── RecordingInvalid            the file of recorded answers can't be used
    │   ├── MissingRecording            in replay, an answer that is not recorded
    │   └── OverBudget                  what is left of the run's budget can't pay for the call
    ├── Refused                         an attempt that was not sent; carries its decision
    │   ├── RequestInvalid              400  the body can't be read
    │   ├── RequestTooLarge             413/400
    │   ├── Unauthorized                401/403
    │   ├── SpendCapExceeded            402
    │   ├── RateLimited                 429
    │   ├── PolicyDenied                403
    │   ├── PriceUnknown                403
    │   ├── UnmeteredEndpoint           403
    │   ├── GuardBlocked                422
    │   ├── BreakerOpen                 503
    │   ├── IdempotencyInProgress       409
    │   ├── IdempotencyConflict         422
    │   └── MeteringUnavailable         503
    └── AIError                         the provider failed (`aikit.failures` reads which way)

An error says what happened, the facts, and the remedy, in that order. `code` is a stable string to branch on,
`status` the HTTP status that says the same, `retryable` whether trying again unchanged can help.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from aikit.types import Decision


class Exit(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    """It worked."""
    NO = 1
    """A check or gate said no."""
    USAGE = 2
    """Usage or configuration."""
    INCONCLUSIVE = 3
    """Errors, a missing recording, or over budget."""
    CREDENTIALS = 4
    """Credentials missing or refused."""
    UNREACHABLE = 5
    """The provider can't be reached."""
    STOPPED = 6
    """A cap or breaker stopped the run."""
    DATABASE = 7
    """The database can't be reached, or its schema is behind."""
    INTERRUPTED = 130
    """Interrupted."""


class AIKitError(Exception):
    """Something went wrong in aikit."""

    code: str = "ERROR"
    status: int = 500
    retryable: bool = False
    exit: Exit = Exit.NO
    remedy: str = ""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        status: int | None = None,
        retryable: bool | None = None,
        facts: Mapping[str, Any] | None = None,
        remedy: str | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if retryable is not None:
            self.retryable = retryable
        if remedy is not None:
            self.remedy = remedy
        self.facts: dict[str, Any] = dict(facts or {})
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    @property
    def slug(self) -> str:
        """The class name in snake case, as the native endpoint's `error` field has it."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()


class ConfigError(AIKitError):
    """The configuration can't be used."""

    code = "CONFIG_INVALID"
    exit = Exit.USAGE


class DatabaseError(AIKitError):
    """The database can't be used."""

    code = "DATABASE_ERROR"
    status = 503
    exit = Exit.DATABASE


class DatabaseUnavailable(DatabaseError):
    """The database can't be reached."""

    code = "DATABASE_UNAVAILABLE"
    retryable = True


class SchemaBehind(DatabaseError):
    """The database's schema is behind this version of aikit."""

    code = "SCHEMA_BEHIND"
    remedy = "Run `aikit db upgrade`."


class EmbeddedFailed(DatabaseError):
    """The embedded PostgreSQL did not start."""

    code = "EMBEDDED_FAILED"


class PromptError(AIKitError):
    """The prompt can't be used."""

    code = "PROMPT_ERROR"
    exit = Exit.USAGE


class PromptInvalid(PromptError):
    """The prompt is not well made."""

    code = "PROMPT_INVALID"


class PromptNotFound(PromptError):
    """There is no such prompt, version or label."""

    code = "PROMPT_NOT_FOUND"
    status = 404


class PromptChanged(PromptError):
    """The content is not what was locked or published under this version."""

    code = "PROMPT_CHANGED"
    exit = Exit.NO


class GateNotPassed(PromptError):
    """No eval gate has passed for this content."""

    code = "GATE_NOT_PASSED"
    status = 409
    exit = Exit.NO


class PromptInputInvalid(PromptError):
    """The inputs are not what the prompt declares."""

    code = "PROMPT_INPUT_INVALID"
    status = 400


class EvalError(AIKitError):
    """An eval can't be run, or what it has left behind can't be used."""

    code = "EVAL_ERROR"
    exit = Exit.USAGE


class RunNotFound(EvalError):
    """There is no such stored run."""

    code = "RUN_NOT_FOUND"
    status = 404


class RunInvalid(EvalError):
    """The file of a stored run can't be read."""

    code = "RUN_INVALID"


class BaselineInvalid(EvalError):
    """The file of a baseline can't be read."""

    code = "BASELINE_INVALID"


class BlessRefused(EvalError):
    """The run can't become the baseline."""

    code = "BLESS_REFUSED"
    status = 409
    exit = Exit.NO


class RecordingInvalid(EvalError):
    """The file of recorded answers can't be used."""

    code = "RECORDING_INVALID"


class MissingRecording(EvalError):
    """This answer is not recorded."""

    code = "RECORDING_MISSING"
    status = 404
    exit = Exit.INCONCLUSIVE


class OverBudget(EvalError):
    """What is left of the run's budget can't pay for the call."""

    code = "EVAL_OVER_BUDGET"
    status = 402
    exit = Exit.INCONCLUSIVE


class Refused(AIKitError):
    """The attempt was refused; nothing was sent to the provider."""

    kind: ClassVar[str] = "request_refused"
    """The `type` of OpenAI-shaped errors."""

    def __init__(
        self,
        message: str | None = None,
        *,
        decision: Decision | None = None,
        retry_after: float | None = None,
        reason: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(message, **rest)
        self.decision = decision
        self.retry_after = retry_after
        self.reason = reason


class RequestInvalid(Refused):
    """The request can't be read."""

    code = "REQUEST_INVALID"
    status = 400
    kind = "invalid_request_error"


class RequestTooLarge(Refused):
    """The request is larger than its ceiling."""

    code = "REQUEST_TOKENS_EXCEEDED"
    status = 413
    kind = "request_too_large"


class Unauthorized(Refused):
    """The key is missing, wrong, or lacks the scope."""

    code = "UNAUTHORIZED"
    status = 401
    kind = "authentication_error"
    exit = Exit.CREDENTIALS


class SpendCapExceeded(Refused):
    """A spend cap stands in the way."""

    code = "BUDGET_EXCEEDED"
    status = 402
    kind = "budget_exceeded"
    exit = Exit.STOPPED


class RateLimited(Refused):
    """A rate limit stands in the way."""

    code = "RATE_LIMITED"
    status = 429
    retryable = True
    kind = "rate_limit_exceeded"
    exit = Exit.STOPPED


class PolicyDenied(Refused):
    """Policy does not allow this."""

    code = "NO_POLICY"
    status = 403
    kind = "policy_denied"
    exit = Exit.STOPPED


class PriceUnknown(Refused):
    """The model has no known price, so its cost can't be bounded."""

    code = "PRICE_UNKNOWN"
    status = 403
    kind = "price_unknown"
    exit = Exit.STOPPED


class UnmeteredEndpoint(Refused):
    """No codec meters this endpoint, so nothing may be sent to it."""

    code = "UNMETERED_ENDPOINT"
    status = 403
    kind = "unmetered_endpoint"


class GuardBlocked(Refused):
    """A guard has blocked it. What it found is in `facts`, by kind and place.

    `released` is what of a stream may still be handed on before the error.
    """

    code = "GUARD_BLOCKED"
    status = 422
    kind = "guard_blocked"
    exit = Exit.STOPPED
    released: bytes = b""


class BreakerOpen(Refused):
    """The provider, or this model of it, fails, and is not asked for a while."""

    code = "BREAKER_OPEN"
    status = 503
    retryable = True
    kind = "breaker_open"
    exit = Exit.STOPPED


class IdempotencyInProgress(Refused):
    """A request with the same idempotency key is still running."""

    code = "IDEMPOTENCY_IN_PROGRESS"
    status = 409
    retryable = True
    kind = "idempotency_in_progress"


class IdempotencyConflict(Refused):
    """The idempotency key stands for another request, or for one whose answer can't be given again."""

    code = "IDEMPOTENCY_CONFLICT"
    status = 422
    kind = "idempotency_conflict"


class MeteringUnavailable(Refused):
    """The ledger can't be reached, so nothing is sent."""

    code = "METERING_UNAVAILABLE"
    status = 503
    retryable = True
    kind = "metering_unavailable"
    exit = Exit.DATABASE


class AIError(AIKitError):
    """The provider failed.

    `retry_after` is how many seconds it asked to be left alone, None if it did not say.
    """

    code = "PROVIDER_ERROR"
    status = 502
    retryable = True
    exit = Exit.UNREACHABLE

    def __init__(
        self, message: str | None = None, *, provider: str, retry_after: float | None = None, **rest: Any
    ) -> None:
        super().__init__(message, **rest)
        if self.code in ("PROVIDER_NOT_CONFIGURED", "AUTHENTICATION_FAILED"):
            self.exit = Exit.CREDENTIALS
        self.provider = provider
        self.retry_after = retry_after

    @property
    def slug(self) -> str:
        """Two words, as it is meant."""
        return "ai_error"

    def to_client_message(self) -> str:
        """What end users may read: a sentence for the code, and nothing that came from the provider or the call."""
        return FOR_CLIENTS.get(self.code, FOR_CLIENTS["PROVIDER_ERROR"])


FOR_CLIENTS = {
    "PROVIDER_NOT_CONFIGURED": "The AI service is not set up. Please contact support.",
    "AUTHENTICATION_FAILED": "The AI service can't be used at the moment. Please contact support.",
    "INSUFFICIENT_QUOTA": "The AI service is not available at the moment. Please contact support.",
    "MODEL_NOT_FOUND": "The AI model is not available. Please contact support.",
    "CONTEXT_LENGTH_EXCEEDED": "The text is too long for the AI model. Please shorten it.",
    "CONTENT_FILTERED": "The AI service declined to answer this. Please word it differently.",
    "BAD_REQUEST": "The AI service could not process this request.",
    "RATE_LIMITED": "The AI service is receiving too many requests. Please try again in a moment.",
    "OVERLOADED": "The AI service is overloaded. Please try again in a moment.",
    "TIMEOUT": "The AI service took too long to answer. Please try again.",
    "CONNECTION_FAILED": "The AI service could not be reached. Please try again in a moment.",
    "PROVIDER_ERROR": "The AI service had a problem. Please try again in a moment.",
}
"""What `AIError.to_client_message` says, by code."""
