"""The frozen values that every layer speaks. Tokens and amounts are integers; times are aware and in UTC."""

from aikit.types.attempts import (
    Answer,
    Call,
    Cost,
    Decision,
    Earlier,
    Ending,
    Entry,
    Extension,
    Health,
    Hold,
    Once,
    Order,
    Refusal,
)
from aikit.types.event_kinds import EVENT_KINDS, EventKind
from aikit.types.ids import new_id
from aikit.types.limits import Action, Limit, LimitState, Metric, Window
from aikit.types.tags import TAG_LENGTH, Environment, Tags, check_tag
from aikit.types.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, USAGE_CLASSES, Bound, Usage

__all__ = [
    "EVENT_KINDS",
    "INPUT_CLASSES",
    "OUTPUT_CLASSES",
    "TAG_LENGTH",
    "TOKEN_CLASSES",
    "USAGE_CLASSES",
    "Action",
    "Answer",
    "Bound",
    "Call",
    "Cost",
    "Decision",
    "Earlier",
    "Ending",
    "Entry",
    "Environment",
    "EventKind",
    "Extension",
    "Health",
    "Hold",
    "Limit",
    "LimitState",
    "Metric",
    "Once",
    "Order",
    "Refusal",
    "Tags",
    "Usage",
    "Window",
    "check_tag",
    "new_id",
]
