"""Tags for code that can't pass them: `with aikit.tags(tenant="acme", user="u1"): …`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from aikit.types import Tags

_NOTHING = Tags()
_current: ContextVar[Tags] = ContextVar("aikit.tags", default=_NOTHING)


@contextmanager
def tags(
    *, tenant: str | None = None, user: str | None = None, feature: str | None = None, environment: str | None = None
) -> Iterator[Tags]:
    """Set tags for every call made inside, in this thread or task; inner blocks add to outer ones.

    Raises ValueError for an unusable tag.
    """
    inner = Tags(tenant, user, feature, environment).over(_current.get())
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


def tag_source(client: Tags, environment: str) -> Callable[[], Tags]:
    """In whose name a client calls: what the context says, completed by what the client was made with.

    The context is nearer to the call than the client, which often lives as long as the process.
    """
    base = client.over(Tags(environment=environment))

    def current() -> Tags:
        context = _current.get()
        return base if context is _NOTHING else context.over(base)

    return current
