"""`aikit explain`: why one call was allowed or refused, from what was recorded; and the same decision made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.content_words import content_data
from aikit.cli.options import Json
from aikit.cli.output import emit_json, note
from aikit.errors import Exit
from aikit.money import usd_string

if TYPE_CHECKING:
    from aikit.explain import Explanation
    from aikit.types import LimitState

PREFIX = "d_"
"""What some write in front of a decision's id."""


def explain(
    id: Annotated[str, typer.Argument(help="The id of a decision or call, or the end of it that a list shows.")],
    json: Json = False,
) -> None:
    """Why a call was allowed or refused. The decision is made again; exits 1 if it comes out otherwise.

    An answer names its decision in the header x-aikit-decision-id, a refusal in its error, too.
    """
    from aikit.cli.archived import note_archives
    from aikit.cli.books import open_books
    from aikit.cli.calls import full_id
    from aikit.cli.policy_page import print_page
    from aikit.console.details.decision import explained
    from aikit.explain import explain as make_again

    books = open_books()
    wanted = full_id(books, id.strip().removeprefix(PREFIX))
    found = make_again(books.database, wanted)
    if found is None:
        if not note_archives(books.database, wanted):
            note(f"The ledger has no decision {id}. `aikit calls list` shows the calls that there are.")
        raise typer.Exit(Exit.NO)
    if json:
        emit_json("explain", _data(found, books.nano_per_credit))
    else:
        print_page(explained(found, books.nano_per_credit))
    if found.differences:
        raise typer.Exit(Exit.NO)


def _data(found: Explanation, nano_per_credit: int) -> dict[str, Any]:
    from aikit.cli.explain_runaway import watch_data
    from aikit.console.details.decision import affordable_tokens, granted_tokens, reasons, refusal_of

    attempt, call, caller = found.attempt, found.call, found.caller
    error = refusal_of(found, nano_per_credit)
    bound = attempt.bound_nano
    return {
        "decision_id": attempt.attempt,
        "call_id": call.call,
        "decided_at": attempt.decided_at,
        "allowed": attempt.state != "refused",
        "reason_code": attempt.reason_code,
        "would_refuse": attempt.would_refuse,
        "why": reasons(found, error)[0],
        "remedy": error.remedy if error else None,
        "retry_after": error.retry_after if error else None,
        "tenant": call.tenant or None,
        "user": call.user,
        "feature": call.feature,
        "environment": call.environment,
        "plan": caller and caller.plan,
        "user_plan": caller and caller.user_plan,
        "provider": attempt.provider,
        "model": attempt.model,
        "api": attempt.api,
        "stream": attempt.stream,
        "output_tokens": granted_tokens(found),
        "bound_usd": None if bound is None else usd_string(bound),
        "price_id": attempt.price_id,
        "price": attempt.price and attempt.price.body,
        "source": attempt.source,
        "policy_version": attempt.policy_version,
        "limits": [_limit_data(state, found) for state in attempt.limits],
        "runaway": [watch_data(one, found) for one in attempt.watch],
        **content_data(attempt),
        "max_affordable_output_tokens": affordable_tokens(found) if error else None,
        **_trace_data(found),
        "again": {
            "made": found.why_not is None,
            "same": None if found.why_not is not None else not found.differences,
            "differences": list(found.differences),
            "why_not": found.why_not,
        },
    }


def _limit_data(state: LimitState, found: Explanation) -> dict[str, Any]:
    from aikit.console.details.decision import role_of
    from aikit.refusal import limit_state

    return {**limit_state(state), "role": role_of(state, found).removeprefix("→ ") or None}


def _trace_data(found: Explanation) -> dict[str, Any]:
    """Which policy decided each field, and what is lacking; null where no policy was asked."""
    if found.caller is None or found.rules is None:
        return {"fields": None, "lacking": None}
    from aikit.policy.trace import trace

    data = trace(found.policies, found.caller).to_json()
    return {"fields": data["fields"], "lacking": data["lacking"]}
