"""The table of rules: each has an example that it finds and one that it doesn't, and the page shows what it says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aikit.errors import ConfigError
from aikit.lint.linting import lint
from aikit.lint.model import Project, Rule
from aikit.lint.rules import BY_CODE, RULES, codes, rule

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "lint.md"


def only_judge(name: str, version: int | None) -> str | None:
    return None if name == "judge" and version in (None, 1) else f"There is no {name}."


def codes_found(text: str, folder: Path) -> set[str]:
    file = folder / "example.py"
    file.write_text(f"import aikit, openai\nkit = aikit.AIKit.open()\n{text}\n", "utf-8")
    report = lint([file], folder, replace(Project(), missing=only_judge))
    return {one.code for one in report.open}


def test_codes_are_numbered_in_order_and_names_are_unique() -> None:
    assert [rule.code for rule in RULES] == [f"AK{number:03}" for number in range(len(RULES))]
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_bad_example_is_found_and_the_good_one_is_clean(rule: Rule, tmp_path: Path) -> None:
    assert rule.code in codes_found(rule.bad, tmp_path)
    assert codes_found(rule.good, tmp_path) == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_page_says_of_each_rule_what_the_table_says(rule: Rule) -> None:
    page = PAGE.read_text("utf-8")
    section = page.partition(f"### {rule.code} {rule.name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    said = " ".join(section.split())
    for text in (rule.summary, rule.why, rule.remedy):
        assert " ".join(text.split()) in said
    blocks = re.findall(r"```(?:python|text)\n(.*?)```", section, re.DOTALL)
    assert [block.strip("\n") for block in blocks] == [rule.bad, rule.good]


def test_the_page_has_no_rule_that_there_is_not() -> None:
    assert re.findall(r"^### (AK\d+)", PAGE.read_text("utf-8"), re.MULTILINE) == [rule.code for rule in RULES]


def test_codes_are_read_in_any_case_and_together() -> None:
    assert codes(["ak001, AK002", "AK003"], "--select") == {"AK001", "AK002", "AK003"}
    assert rule("ak001", "--explain") is BY_CODE["AK001"]


@pytest.mark.parametrize("code", ["AK1", "AK099", "E501", ""])
def test_a_rule_that_there_is_not_is_told(code: str) -> None:
    with pytest.raises(ConfigError, match=r"--explain: there is no rule"):
        rule(code, "--explain")
