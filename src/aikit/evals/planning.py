"""What is known of a run before its first trial: the prompt, the model, the scorers and their judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aikit.errors import ConfigError
from aikit.evals.fingerprint import Judge
from aikit.evals.model import Suite
from aikit.evals.scorers.catalogue import judged_by
from aikit.evals.scorers.scoring import Ready, make_scorer
from aikit.evals.targets import Target
from aikit.prompts.folder import PromptFolders
from aikit.prompts.model import Prompt, Ref
from aikit.prompts.rendering import check_templates


@dataclass(frozen=True, slots=True)
class Plan:
    """Either `prompt` and `model`, or `target`, is there. `judges` are by the name of their scorer."""

    suite: Suite
    prompts: PromptFolders
    prompt: Prompt | None
    target: Target | None
    model: str | None
    parameters: Mapping[str, Any]
    scorers: tuple[Ready, ...]
    judges: Mapping[str, Judge]
    trials: int


def planned(
    suite: Suite, prompts: PromptFolders, project: Path, prompt: Ref | None = None, trials: int | None = None
) -> Plan:
    """Raises ConfigError for a suite that can't be run, PromptError for a prompt that can't be used."""
    scorers = tuple([make_scorer(spec, project) for spec in suite.scorers])
    judges = {spec.name: judge for spec in suite.scorers if (judge := _judge(spec, prompts)) is not None}
    trials = trials or suite.trials
    if suite.target is not None:
        target = Target.find(suite.target, project)
        return Plan(suite, prompts, None, target, None, {}, scorers, judges, trials)
    ref = prompt or suite.prompt
    assert ref is not None
    candidate = evaluated(prompts, ref)
    check_templates(candidate)
    model = suite.model or candidate.model
    if model is None:
        raise ConfigError(
            f"{suite.name}: neither the suite nor {candidate.id.id} names a model.",
            facts={"suite": suite.name, "prompt": candidate.id.id},
            remedy="State `model: provider/model` in the suite.",
        )
    return Plan(suite, prompts, candidate, None, model, merged(candidate, suite), scorers, judges, trials)


def evaluated(prompts: PromptFolders, ref: Ref) -> Prompt:
    """The prompt as its file is now, locked or not: an eval is where a draft is tried, and an edited file is caught by
    its recordings, which are of the text itself. Raises PromptError.
    """
    folder = prompts.of(ref.name)
    if ref.version is None or ref.version not in folder.versions(ref.name):
        return prompts.load(ref)
    return folder.draft(ref.name, ref.version)


def merged(prompt: Prompt, suite: Suite) -> dict[str, Any]:
    """The prompt's parameters with the suite's over them; fields of `extra` one by one."""
    extra = {**(prompt.parameters.get("extra") or {}), **(suite.parameters.get("extra") or {})}
    return {**prompt.parameters, **suite.parameters, **({"extra": extra} if extra else {})}


def _judge(spec: Any, prompts: PromptFolders) -> Judge | None:
    refs, model = judged_by(spec)
    return None if model is None else Judge(model, tuple([prompts.load(ref).id for ref in refs]))
