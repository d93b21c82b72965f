"""In whose name a request of the control plane is: its key says, and what the key leaves open the request may add."""

from __future__ import annotations

from typing import NamedTuple

from aikit.errors import RequestInvalid, Unauthorized
from aikit.serve.model import Exchanged
from aikit.serve.tagging import tags_of
from aikit.types import Tags


class Place(NamedTuple):
    """The tenant and the environment that a request is about, and the user and feature that its key is bound to."""

    tenant: str
    environment: str
    user: str | None = None
    feature: str | None = None


def tags_for(exchanged: Exchanged, user: str | None, feature: str | None) -> Tags:
    """The tags of a call: those of the key and the headers, with what the body names.

    Raises Unauthorized (403) for another user or feature than the key is for, RequestInvalid for an unusable one.
    """
    found = tags_of(exchanged)
    assert exchanged.key is not None
    return Tags(
        found.tenant,
        _claimed("user", found.user, user, bound=exchanged.key.user is not None),
        _claimed("feature", found.feature, feature, bound=exchanged.key.feature is not None),
        found.environment,
    )


def place_of(exchanged: Exchanged) -> Place:
    """The place of a tenant's key. Raises PolicyDenied (TENANT_REQUIRED) for an operator's."""
    tags = tags_of(exchanged)
    key = exchanged.key
    assert key is not None and tags.tenant is not None and tags.environment is not None
    return Place(tags.tenant, tags.environment, key.user, key.feature)


def seen_from(exchanged: Exchanged, tenant: str | None, environment: str | None) -> Place:
    """What a read is about: a tenant's key sees its tenant and environment; an operator's names the tenant.

    Raises RequestInvalid for an operator's key without a tenant, Unauthorized (403) for a tenant's that names another.
    """
    key = exchanged.key
    assert key is not None
    if key.tenant is None:
        if tenant is None:
            raise RequestInvalid(
                "The key is an operator's, for all tenants.",
                facts={"field": "tenant"},
                remedy="Name one: ?tenant=NAME.",
            )
        return Place(tenant, environment or key.environment)
    for name, own, other in (("tenant", key.tenant, tenant), ("environment", key.environment, environment)):
        if other is not None and other != own:
            raise for_another(name)
    return Place(key.tenant, key.environment, key.user, key.feature)


def own(name: str, bound_to: str | None, asked: str | None) -> str | None:
    """What a read is narrowed to: what its key is bound to, or what it asks for. Raises Unauthorized (403)."""
    return _claimed(name, bound_to, asked, bound=bound_to is not None)


def _claimed(name: str, known: str | None, stated: str | None, *, bound: bool) -> str | None:
    if stated is None or stated == known:
        return known
    if bound:
        raise for_another(name)
    if known is not None:
        raise RequestInvalid(
            f"The body names another {name} than the header x-aikit-{name}.", facts={"field": name}, remedy="Name one."
        )
    return stated


def for_another(name: str) -> Unauthorized:
    """The key is for another one."""
    return Unauthorized(
        f"The key is for another {name}.",
        code="KEY_BOUND",
        status=403,
        facts={"field": name},
        remedy=f"Leave {name} out, or use a key that is not bound to one.",
    )
