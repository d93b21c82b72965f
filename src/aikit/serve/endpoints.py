"""What is one of the server's own endpoints: its path, who may, what goes in and what comes out, in one place.

Routes are made of this, and so is the OpenAPI document: neither can say what the other doesn't.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError

from aikit.errors import AIKitError, ConfigError, DatabaseError, MeteringUnavailable, RequestInvalid
from aikit.serve.answers import Answer, give, of_json
from aikit.serve.model import Exchanged, Receive, Right, Send
from aikit.serve.routes import Route

MOST_QUERY = 50
IDEMPOTENCY = "idempotency-key"


class Body(BaseModel):
    """A body, or a query: no field that is not known, and no value that has to be read as another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Query(BaseModel):
    """The parameters behind the question mark: texts, to be read as what they are."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Said(BaseModel):
    """What is answered. Fields are written out, null where nothing is known."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Asking:
    """A request that has been read: its body and its query as the endpoint wants them."""

    exchanged: Exchanged
    body: Any
    query: Any

    @property
    def params(self) -> dict[str, str]:
        """What the parts of its path in braces came to."""
        return self.exchanged.params

    @property
    def once(self) -> str | None:
        """Its Idempotency-Key."""
        return self.exchanged.headers.get(IDEMPOTENCY)


Run = Callable[[Asking], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """`run` answers with a `Said`, or anything that has a form in JSON, or with an `Answer`.

    `errors` are the statuses that it may refuse with beside those that any endpoint may.
    """

    method: str
    path: str
    right: Right | None
    summary: str
    run: Run
    answer: Any = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    text: str = ""
    errors: tuple[int, ...] = ()
    status: int = 200
    tag: str = "Control plane"
    once: bool = False
    """It takes an Idempotency-Key."""
    body_needed: bool = True
    example: Mapping[str, Any] | None = None
    events: str = ""
    """What a stream of server-sent events looks like, if it may answer with one."""
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The JSON Schema of each part of its path in braces."""

    @property
    def route(self) -> Route:
        return Route(self.method, self.path, self.handle, self.right)

    async def handle(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """Read the request, run it, give what comes out."""
        try:
            asking = Asking(exchanged, self._body(exchanged), self._query(exchanged))
            found = await self.run(asking)
        except AIKitError as error:
            raise for_caller(error) from None
        await give(found if isinstance(found, Answer) else of_json(plain(found), self.status), send)

    def _body(self, exchanged: Exchanged) -> Any:
        if self.body is None:
            if exchanged.body.strip():
                raise RequestInvalid(f"{self.method} {self.path} takes no body.", remedy="Leave it out.")
            return None
        if not self.body_needed and not exchanged.body.strip():
            return self.body()
        try:
            return self.body.model_validate_json(exchanged.body)
        except ValidationError as error:
            raise invalid(error, "body") from None

    def _query(self, exchanged: Exchanged) -> Any:
        try:
            text = exchanged.query.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_QUERY)
        except ValueError:
            raise RequestInvalid("The query can't be read.", remedy="Write it as name=value&name=value.") from None
        pairs = [(name, value) for name, value in pairs if name != "key"]
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise RequestInvalid(f"The query has {twice[:80]!r} twice.", remedy="Give it once.")
        if self.query is None:
            if pairs:
                raise RequestInvalid(f"The query has {names[0][:80]!r}, which is not known.", remedy="Leave it out.")
            return None
        try:
            return self.query.model_validate(dict(pairs))
        except ValidationError as error:
            raise invalid(error, "query") from None


def plain(found: Any) -> Any:
    """Models as what JSON has a form for."""
    if isinstance(found, BaseModel):
        return found.model_dump(mode="python")
    return found


def invalid(error: ValidationError, where: str) -> RequestInvalid:
    """What is wrong with which fields; never their values, which may be anything."""
    problems = [f"{_place(one['loc']) or where}: {_words(one['msg'])}" for one in error.errors(include_input=False)]
    first = error.errors(include_input=False)[0]
    name = _place(first["loc"]) or where
    return RequestInvalid(
        f"The {where} can't be used: {problems[0]}.",
        facts={"field": name, "problems": problems[:20]},
        remedy=f"Correct {name}; GET /openapi.json says what it may be.",
    )


def _place(loc: tuple[int | str, ...]) -> str:
    """`usage.input`, without what a caller has made up at length."""
    return ".".join([str(part)[:60] for part in loc if part != "JSON"])[:200]


def _words(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")[:300]


def for_caller(error: AIKitError) -> AIKitError:
    """The error as a caller may hear it: a database's name is not for everybody, and a wrong value is a bad request."""
    if isinstance(error, DatabaseError):
        return unavailable()
    if isinstance(error, ConfigError) and error.status == 500:
        unknown, taken = error.code.endswith("_UNKNOWN"), error.code in CONFLICTS
        status = 404 if unknown else 409 if taken else 400
        code = "REQUEST_INVALID" if error.code == "CONFIG_INVALID" else error.code
        return RequestInvalid(error.message, code=code, status=status, facts=error.facts, remedy=error.remedy)
    return error


CONFLICTS = frozenset({"POLICY_CONFLICT", "PLAN_HELD", "KEY_NOT_ACTIVE"})


def unavailable() -> MeteringUnavailable:
    return MeteringUnavailable(
        "The ledger can't be reached, so nothing can be said or done.", remedy="Try again in a moment.", retry_after=1.0
    )


def not_found(what: str, id: str) -> RequestInvalid:
    """There is none, or none that this key may see: the two are told alike."""
    return RequestInvalid(f"There is no {what} {id[:100]}.", code="NOT_FOUND", status=404, remedy="Look at its id.")
