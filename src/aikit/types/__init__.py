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
from aikit.types.guards import GUARD_BLOCKED, UNGUARDED, Finding, GuardAction, GuardRule, Place
from aikit.types.ids import new_id
from aikit.types.limits import Action, Limit, LimitState, Metric, Window
from aikit.types.prompts import PromptId
from aikit.types.runaway import LOOP_DETECTED, VELOCITY_EXCEEDED, LoopRule, Pace, Repeats, VelocityRule, Watched
from aikit.types.tags import TAG_LENGTH, Environment, Tags, check_tag
from aikit.types.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, USAGE_CLASSES, Bound, Usage

__all__ = [
    "EVENT_KINDS",
    "GUARD_BLOCKED",
    "INPUT_CLASSES",
    "LOOP_DETECTED",
    "OUTPUT_CLASSES",
    "TAG_LENGTH",
    "TOKEN_CLASSES",
    "UNGUARDED",
    "USAGE_CLASSES",
    "VELOCITY_EXCEEDED",
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
    "Finding",
    "GuardAction",
    "GuardRule",
    "Health",
    "Hold",
    "Limit",
    "LimitState",
    "LoopRule",
    "Metric",
    "Once",
    "Order",
    "Pace",
    "Place",
    "PromptId",
    "Refusal",
    "Repeats",
    "Tags",
    "Usage",
    "VelocityRule",
    "Watched",
    "Window",
    "check_tag",
    "new_id",
]
