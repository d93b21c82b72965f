"""The models of a route, asked in turn until one serves: as the kit's own `complete` does it.

Another one is asked only as long as the caller has heard nothing: of a stream until its first piece is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx2

from aikit.asking import key_for
from aikit.async_kit import AsyncAIKit
from aikit.errors import AIError, Refused
from aikit.failures.errors import from_exception, from_response
from aikit.idempotency import HEADER
from aikit.routing.routes import Route
from aikit.routing.trying import Served, Turn, Wait, provider_of
from aikit.serve.asked import Asked
from aikit.serve.leaving import CallerLeft, UntilLeft, has_left
from aikit.serve.model import Key, Scope
from aikit.serve.providers import Providers
from aikit.transport import ERROR
from aikit.types import new_id


class Turns:
    """The tries of one request."""

    def __init__(self, providers: Providers, kit: AsyncAIKit, one: Asked, key: Key, route: Route, scope: Scope) -> None:
        self._providers = providers
        self._kit = kit
        self._one = one
        self._key = key
        self._route = route
        self._scope = scope
        self._once = next(
            (value.decode(errors="replace") for name, value in one.headers if name == HEADER.encode()), None
        )
        self._answers: dict[int, tuple[Exception, httpx2.Response]] = {}
        """What came with each error: by its id, and it is kept beside so that the id stays its own."""

    async def served(self) -> httpx2.Response:
        """The answer of the first model that serves; else the answer that is to be told of those that did not.

        Raises Refused or AIError where that one did not come as an answer, CallerLeft instead of asking another model
        for nobody.
        """
        steps = self._kit._tries(self._route, {"tenant": self._key.tenant, "idempotency_key": self._once})
        call, answer = new_id(), None
        try:
            step = next(steps)
            while True:
                if has_left(self._scope):
                    raise CallerLeft
                if isinstance(step, Wait):
                    with UntilLeft(self._scope):
                        await asyncio.sleep(step.seconds)
                    answer = None
                else:
                    answer = await self._turn(step, call)
                step = steps.send(answer)
        except StopIteration as stop:
            found: Served[httpx2.Response] = stop.value
            return found.answer
        except (AIError, Refused) as error:
            if id(error) in self._answers:
                return self._answers[id(error)][1]
            raise

    async def _turn(self, turn: Turn, call: UUID) -> httpx2.Response | AIError | Refused:
        provider = provider_of(turn.model)
        several = self._once is not None and len(self._route.models) > 1
        try:
            response = await self._providers.ask(
                self._one,
                turn.model,
                self._key,
                ids=(call, turn.attempt),
                once=key_for(self._once or "", turn.model) if several else None,
                seconds=turn.seconds,
            )
            refusal = response.extensions.get(ERROR)
            if refusal is None and response.status_code < 300:
                return await begun(response, provider, self._scope) if self._route.has_more else response
            body = await response.aread()
        except (AIError, Refused) as error:
            return error
        except httpx2.HTTPError as error:
            return from_exception(provider, error)
        response.stream = httpx2.ByteStream(body)
        failure: AIError | Refused = refusal or from_response(provider, response.status_code, body, response.headers)
        self._answers[id(failure)] = failure, response
        return failure


async def begun(response: httpx2.Response, provider: str, scope: Scope) -> httpx2.Response:
    """The response, once the first piece of its stream is there. Raises AIError if none comes, CallerLeft."""
    stream = response.stream
    if isinstance(stream, httpx2.ByteStream):
        return response
    assert isinstance(stream, httpx2.AsyncByteStream)
    pieces = aiter(stream)
    try:
        with UntilLeft(scope):
            first = await anext(pieces, b"")
    except httpx2.HTTPError as error:
        await stream.aclose()
        raise from_exception(provider, error) from error
    except BaseException:
        await stream.aclose()
        raise
    response.stream = _Begun(first, pieces, stream)
    return response


class _Begun(httpx2.AsyncByteStream):
    """A stream of which the first piece has been read."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], stream: httpx2.AsyncByteStream) -> None:
        self._first = first
        self._rest = rest
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        async for piece in self._rest:
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
