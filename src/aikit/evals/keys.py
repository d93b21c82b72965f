"""By what a recorded answer is found: a hash of all that can change it, and of nothing else. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aikit.evals.model import ModelCall


def key_of(call: ModelCall) -> str:
    """64 hexadecimal digits: of who asks which model, the rendered messages, the parameters, the schema, the trial.

    Which prompt it is, by name and version, is no part of it: the messages say all of it. 0 and 0.0 are the same.
    """
    stated = {
        "role": call.role.value,
        "model": call.model,
        "messages": [list(message) for message in call.messages],
        "parameters": _plain(call.parameters),
        "schema": _plain(call.schema),
        "trial": call.trial,
    }
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON has it, the same for the same value."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
