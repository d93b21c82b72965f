"""The options of `aikit limit set` as a limit; what goes together is what goes together in a policy file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aikit.errors import ConfigError

if TYPE_CHECKING:
    from aikit.policy.model import StatedLimit

OPTIONS = {
    "metric": "--metric",
    "window": "--window",
    "each": "--each",
    "time_zone": "--time-zone",
    "anchor": "--anchor",
}
"""Fields of a limit in a policy file, and the options that say the same."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A cap or a soft cap in the three ways it can be given, and the options for them; at most one is meant."""

    field: str
    usd: str | None
    credits: int | None
    plain: int | None

    @property
    def options(self) -> tuple[str, str, str]:
        """In dollars, in credits, as a plain number."""
        return (
            ("--usd", "--credits", "--cap") if self.field == "cap" else ("--soft-usd", "--soft-credits", "--soft-cap")
        )

    @property
    def given(self) -> dict[str, str | int]:
        """What was given, by option."""
        values = zip(self.options, (self.usd, self.credits, self.plain), strict=True)
        return {option: value for option, value in values if value is not None}


def stated_limit(
    metric: str, amounts: tuple[Amount, Amount], fields: Mapping[str, Any], nano_per_credit: int
) -> StatedLimit:
    """The limit that these options state: the cap and the soft cap, and the other fields as a policy file has them.

    Raises ConfigError, in terms of the options, for what means nothing.
    """
    from aikit.policy.file.kinds import Place, Wrong
    from aikit.policy.file.limits import LIMIT

    stated = {"metric": metric, **{name: value for name, value in fields.items() if value is not None}}
    options = dict(OPTIONS)
    for amount in amounts:
        for option, value in _checked(amount, metric).items():
            key = f"{amount.field}_usd" if option == amount.options[0] else amount.field
            stated[key], options[key] = value, option
    place = Place(nano_per_credit=nano_per_credit)
    try:
        limit: StatedLimit | None = LIMIT.read(stated, place)
    except Wrong as wrong:
        raise _unusable(options[str(wrong.key)], wrong.what, wrong.remedy) from None
    if limit is None:
        problem = place.problems[0]
        raise _unusable(options[str(problem.path[0])], problem.what, problem.remedy)
    return limit


def anchor_of(text: str | None) -> str | int | None:
    """An hour or a day of the month is a number; a weekday is a word."""
    return int(text) if text is not None and text.isdecimal() else text and text.lower()


def _checked(amount: Amount, metric: str) -> dict[str, str | int]:
    """The one way in which the amount was given, if it was."""
    usd, credits, plain = amount.options
    given = amount.given
    money = metric == "credits"
    what = "cap" if amount.field == "cap" else "soft cap"
    if money and plain in given:
        raise ConfigError(
            f"{plain} is a number of tokens, requests or calls at once, but the metric is credits.",
            remedy=f"Name the metric with --metric, or give the {what} by {usd} or {credits}.",
        )
    wrong = next((option for option in (usd, credits) if option in given and not money), None)
    if wrong:
        raise ConfigError(f"{wrong} is an amount of money, but the metric is {metric}.", remedy=f"Give {plain}.")
    if money and len(given) != 1 and (given or what == "cap"):
        raise ConfigError(f"A {what} is given in dollars or in credits.", remedy=f"Give one of {usd} and {credits}.")
    if not given and what == "cap":
        raise ConfigError(f"A cap on {metric} is a number.", remedy=f"Give {plain}.")
    return given


def _unusable(option: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"{option} {what}.", remedy=remedy)
