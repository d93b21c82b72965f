"""The simulator's books."""

from __future__ import annotations

from aikit.sim.served import NOTHING, Ending, Record, Served
from aikit.types import Usage


def serve_one(served: Served, api: str, ending: Ending, billed: Usage) -> str:
    id = served.begin()
    served.end(Record(id, api, "m", False, 200, ending, billed))
    return id


def test_totals_add_up_over_apis_and_only_the_last_requests_are_listed_on_demand() -> None:
    served = Served()
    serve_one(served, "openai.chat", Ending.COMPLETED, Usage(input=3, output=4))
    serve_one(served, "openai.chat", Ending.ERROR, NOTHING)
    last = serve_one(served, "gemini.generate", Ending.CUT, Usage(input=2, reasoning=1))
    told = served.told(limit=1)
    assert told["totals"]["requests"] == 3
    assert told["totals"]["billed"] == {"input": 5, "output": 4, "reasoning": 1}
    assert told["by_api"]["openai.chat"]["error"] == 1
    assert told["by_api"]["gemini.generate"]["billed"] == {"input": 2, "reasoning": 1}
    assert [(one["id"], one["ending"], one["completed"]) for one in told["requests"]] == [(last, "cut", False)]
    assert len(served.told()["requests"]) == 3
    assert served.told(limit=0)["requests"] == []


def test_a_reset_forgets_everything_but_the_ids_and_what_is_in_flight() -> None:
    served = Served()
    first = serve_one(served, "openai.chat", Ending.COMPLETED, Usage(input=1))
    served.begin()
    served.reset()
    told = served.told()
    assert (told["in_flight"], told["totals"]["requests"], told["totals"]["billed"]) == (1, 0, {})
    assert serve_one(served, "openai.chat", Ending.COMPLETED, NOTHING) != first
