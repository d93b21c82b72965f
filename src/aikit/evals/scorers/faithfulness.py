"""How much of an answer its source supports: the answer's claims, and one verdict for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aikit.evals.model import Case, Score
from aikit.evals.scorers.asking import ask
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.catalogue import CLAIMS, MOST_CLAIMS, VERDICT
from aikit.evals.scorers.needs import source_of
from aikit.evals.scorers.texts import part_of
from aikit.prompts.refs import parse_ref

SUPPORTED = "supported"
VERDICTS = (SUPPORTED, "not_supported", "contradicted")


class Faithfulness:
    """The share of claims that are supported. No claims at all is an error, unless abstention is allowed: then 1."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._where = options.get("source", "context")
        self._claims = parse_ref(options["claims"]) if "claims" in options else CLAIMS
        self._verdict = parse_ref(options["verdict"]) if "verdict" in options else VERDICT
        self._most = options.get("most_claims", MOST_CLAIMS)

    async def score(self, case: Case, output: str, context: Context) -> Score:
        source = source_of(case, self._where)
        if not source or not source.strip():
            raise Unscored("there is no source to be faithful to")
        claims = await self._list(part_of(output, self._options), context)
        if not claims:
            if self._options.get("abstention") == "allow":
                return Score(1.0, "it makes no claims")
            raise Unscored("the answer makes no claims (`abstention: allow` lets that count as 1)")
        verdicts = await _together([self._judge(claim, source, context) for claim in claims])
        wrong = [
            f"{said.replace('_', ' ')}: {claim}"
            for claim, said in zip(claims, verdicts, strict=True)
            if said != SUPPORTED
        ]
        share = (len(claims) - len(wrong)) / len(claims)
        return Score(share, "; ".join([f"{len(claims) - len(wrong)} of {len(claims)} claims supported", *wrong]))

    async def _list(self, answer: str, context: Context) -> list[str]:
        if not answer.strip():
            return []
        inputs = {"answer": answer, "most": self._most}
        said = await ask(context, self._claims, inputs, options=self._options, wrong=_wrong_claims)
        claims = list(dict.fromkeys(said["claims"]))
        if len(claims) > self._most:
            raise Unscored(f"{self._claims} listed {len(claims)} claims; {self._most} are the most (`most_claims`)")
        return claims

    async def _judge(self, claim: str, source: str, context: Context) -> str:
        inputs = {"claim": claim, "source": source}
        said = await ask(context, self._verdict, inputs, options=self._options, wrong=_wrong_verdict)
        return str(said["verdict"])


async def _together(asked: list[Any]) -> list[str]:
    """All of them at once. The first that fails ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in asked]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


def _wrong_claims(said: Mapping[str, Any]) -> str | None:
    claims = said.get("claims")
    fine = isinstance(claims, list) and all(isinstance(claim, str) and claim.strip() for claim in claims)
    return None if fine else "its claims are no list of texts"


def _wrong_verdict(said: Mapping[str, Any]) -> str | None:
    return None if said.get("verdict") in VERDICTS else f"its verdict is none of {', '.join(VERDICTS)}"
