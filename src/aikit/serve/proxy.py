"""The providers' own APIs: a request is metered, sent on with the provider's key, and its answer handed back as it is.

Request and response bytes pass unchanged, but for the name of the model where it says more than the provider knows, and
what the exchange itself writes in (the output limit, the usage option).
"""

from __future__ import annotations

from aikit.serve.answers import Answer, give
from aikit.serve.asked import asked
from aikit.serve.handing import hand_on
from aikit.serve.leaving import UntilLeft
from aikit.serve.model import Exchanged, Receive, Right, Send, Service
from aikit.serve.model_list import ModelList
from aikit.serve.models import choose
from aikit.serve.providers import TAGS, Providers
from aikit.serve.routes import Route, Shape
from aikit.serve.shapes import shape_of
from aikit.serve.tagging import tags_of
from aikit.serve.turns import Turns

PATHS: tuple[tuple[str, str, Shape], ...] = (
    ("POST", "/v1/chat/completions", "openai"),
    ("POST", "/v1/messages", "anthropic"),
    ("POST", "/v1/responses", "openai"),
    ("POST", "/v1/embeddings", "openai"),
    ("POST", "/v1/messages/count_tokens", "anthropic"),
    ("POST", "/v1beta/models/{rest...}", "gemini"),
    ("POST", "/v1/models/{rest...}", "gemini"),
    ("GET", "/v1/models", "openai"),
    ("GET", "/v1/models/{rest...}", "openai"),
    ("GET", "/v1beta/models", "gemini"),
    ("GET", "/v1beta/models/{rest...}", "gemini"),
)


class Proxy:
    """Answers on the paths of the providers' APIs. `close` it when no request runs any more."""

    def __init__(self, service: Service, providers: Providers | None = None) -> None:
        self.service = service
        self._providers = providers or Providers(service)
        self._models = ModelList(self._providers, service.kit)

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(Route(method, path, self.handle, Right.COMPLETE, shape) for method, path, shape in PATHS)

    async def close(self) -> None:
        """Leave the streams that still run, which are drained, and give the connections back."""
        await self._providers.close()

    async def handle(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Refused where nothing was sent, AIError where no provider has answered."""
        key, kit = exchanged.key, self.service.kit
        assert key is not None
        TAGS.set(tags_of(exchanged))
        one = asked(exchanged, shape_of(exchanged.path, exchanged.headers))
        if self._models.answers(one):
            with UntilLeft(exchanged.scope):
                answer = await self._models.answer(one, key, TAGS.get())
            await (give(answer, send) if isinstance(answer, Answer) else hand_on(answer, exchanged.scope, send))
            return
        choice = choose(kit.settings, kit._has_price, one.kind, one.model, brought=one.own_key is not None)
        if choice.plain:
            response = await self._providers.ask(one, choice.route.models[0], key)
        else:
            response = await Turns(self._providers, kit, one, key, choice.route, exchanged.scope).served()
        await hand_on(response, exchanged.scope, send)
