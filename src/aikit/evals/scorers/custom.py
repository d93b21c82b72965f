"""Scorers of one's own: a function of a module, or an entry point of an installed package."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from aikit.errors import ConfigError
from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.catalogue import CUSTOM_SECONDS

GROUP = "aikit.scorers"
Function = Callable[..., Any]


class Custom:
    """Calls `function(case, output, context, **options)`. It returns a number, true or false, or a Score."""

    def __init__(self, function: Function, options: Options) -> None:
        self._function = function
        self._given = dict(options.get("options", {}))
        self._seconds = options.get("timeout_seconds", CUSTOM_SECONDS)

    @classmethod
    def find(cls, options: Options, project: Path) -> Custom:
        """Raises ConfigError if the function can't be found or imported."""
        return cls(find_function(options["function"], project), options)

    async def score(self, case: Case, output: str, context: Context) -> Score:
        try:
            async with asyncio.timeout(self._seconds):
                found = await self._call(case, output, context)
        except TimeoutError:
            raise Unscored(f"the function took longer than {self._seconds:g} s, or timed out itself") from None
        return as_score(found)

    async def _call(self, *given: Any) -> Any:
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            getattr(self._function, "__call__", None)  # noqa: B004  # an object whose call is a coroutine
        ):
            return await self._function(*given, **self._given)
        found = await in_thread(lambda: self._function(*given, **self._given))
        return await found if inspect.isawaitable(found) else found


def as_score(found: Any) -> Score:
    """What a function returned, as a score. Raises Unscored for what is none."""
    if isinstance(found, Score):
        return found
    if isinstance(found, bool | int | float):
        return Score(float(found))
    raise Unscored(f"the function returned {type(found).__name__}, not a number, true or false, or a Score")


def find_function(named: str, project: Path) -> Function:
    """`module:function`, or an entry point of the group. `project` is looked in first while the module is imported.

    Raises ConfigError.
    """
    if ":" not in named:
        return _installed(named)
    module, _, name = named.partition(":")
    sys.path.insert(0, str(project))
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise _not_found(named, f"{type(error).__name__}: {error}") from None
    finally:
        sys.path.remove(str(project))
    if not callable(found):
        raise _not_found(named, "it is no function")
    return found  # type: ignore[no-any-return]  # callable, and whatever it returns is checked


def _installed(name: str) -> Function:
    points = list(entry_points(group=GROUP, name=name))
    known = sorted({point.name for point in entry_points(group=GROUP)})
    if not points:
        have = f"Installed packages offer {', '.join(known)}." if known else "No installed package offers any."
        raise ConfigError(
            f"There is no scorer {name!r} in the group {GROUP}.",
            facts={"function": name, "known": known},
            remedy=f"{have} For a function of your own write module:function.",
        )
    try:
        found: Function = points[0].load()
    except Exception as error:
        raise _not_found(name, f"{type(error).__name__}: {error}") from None
    return found


def _not_found(named: str, why: str) -> ConfigError:
    return ConfigError(
        f"The function {named} can't be used: {why}.",
        facts={"function": named},
        remedy="Write module:function; modules are looked for beside the folder of the suites, and among what is "
        "installed.",
    )


async def in_thread(work: Callable[[], Any]) -> Any:
    """Runs in a thread that nobody waits for at the end: a function that hangs holds up nothing but its own score."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def tell(found: Any, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(found)
        else:
            future.set_exception(error)

    def run() -> None:
        found: Any = None
        error: Exception | None = None
        try:
            found = work()
        except BaseException as raised:  # sys.exit() in it is an error like any other
            if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
                error = raised
            else:
                error = RuntimeError(f"{type(raised).__name__}: {raised}")
        try:
            loop.call_soon_threadsafe(tell, found, error)
        except RuntimeError:
            return  # the loop has been closed meanwhile: nobody waits for it any more

    threading.Thread(target=run, name="aikit-scorer", daemon=True).start()
    return await future
