"""The frozen values that every layer speaks. Tokens and amounts are integers; times are aware and in UTC."""

from aikit.types.attempts import Call, Cost, Decision, Ending, Entry, Hold, Order, Refusal
from aikit.types.ids import new_id
from aikit.types.limits import Action, Limit, LimitState, Metric, Window
from aikit.types.tags import TAG_LENGTH, Environment, Tags, check_tag
from aikit.types.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, USAGE_CLASSES, Bound, Usage

__all__ = [
    "INPUT_CLASSES",
    "OUTPUT_CLASSES",
    "TAG_LENGTH",
    "TOKEN_CLASSES",
    "USAGE_CLASSES",
    "Action",
    "Bound",
    "Call",
    "Cost",
    "Decision",
    "Ending",
    "Entry",
    "Environment",
    "Hold",
    "Limit",
    "LimitState",
    "Metric",
    "Order",
    "Refusal",
    "Tags",
    "Usage",
    "Window",
    "check_tag",
    "new_id",
]
