"""The parts that a server answers with, in the order in which their routes are looked through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aikit.serve.control.part import Control
from aikit.serve.model import Service
from aikit.serve.native import Native
from aikit.serve.openapi.part import OpenAPI
from aikit.serve.operations import Operations
from aikit.serve.proxy import Proxy
from aikit.serve.routes import Route

Closing = tuple[Callable[[], Awaitable[None]], ...]


def parts_of(service: Service) -> tuple[tuple[Route, ...], Closing]:
    """The routes, and what gives back what their handlers hold."""
    proxy, native, control, operations = Proxy(service), Native(service), Control(service), Operations(service)
    openapi = OpenAPI((*native.endpoints, *control.endpoints))
    routes = (*proxy.routes, *native.routes, *control.routes, *operations.routes, *openapi.routes)
    return routes, (proxy.close, control.close)
