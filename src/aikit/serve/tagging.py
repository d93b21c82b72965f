"""In whose name a request is made: its key says, and the request may add what the key leaves open. Pure."""

from __future__ import annotations

from aikit.errors import PolicyDenied, RequestInvalid, Unauthorized
from aikit.serve.model import Exchanged
from aikit.types import Tags


def tags_of(exchanged: Exchanged) -> Tags:
    """The tags of a call. Raises Unauthorized (403) where a header names another tenant, environment, user or feature
    than the key is for, RequestInvalid for an unusable one, PolicyDenied for a key that is nobody's.
    """
    key, headers = exchanged.key, exchanged.headers
    assert key is not None
    if key.tenant is None:
        raise PolicyDenied(
            "The key is an operator's: it belongs to no tenant, so nothing can be charged.",
            code="TENANT_REQUIRED",
            remedy="Use a key of a tenant: aikit key create --tenant NAME.",
        )
    _bound("tenant", key.tenant, headers.get("x-aikit-tenant"))
    _bound("environment", key.environment, headers.get("x-aikit-environment"))
    user = _bound("user", key.user, headers.get("x-aikit-user"))
    feature = _bound("feature", key.feature, headers.get("x-aikit-feature"))
    try:
        return Tags(key.tenant, user, feature, key.environment)
    except ValueError as error:
        raise RequestInvalid(f"A tag can't be used: {error}.", remedy="Correct the x-aikit header.") from None


def _bound(name: str, bound: str | None, claimed: str | None) -> str | None:
    """What the key is bound to; where it is not, what the request claims."""
    if bound is None or claimed is None or claimed == bound:
        return bound if bound is not None else claimed
    raise Unauthorized(
        f"The key is for another {name} than x-aikit-{name} names.",
        code="KEY_BOUND",
        status=403,
        facts={"header": f"x-aikit-{name}"},
        remedy="Leave the header out, or use a key that is not bound to one.",
    )
