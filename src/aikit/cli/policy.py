"""`aikit policy`: who may spend what, as a file with a history. Each command is in a module of what it is about."""

from __future__ import annotations

from aikit.cli.group import group
from aikit.cli.policy_change import apply, remove, rollback
from aikit.cli.policy_diff import diff
from aikit.cli.policy_explain import explain
from aikit.cli.policy_file import check, init, schema
from aikit.cli.policy_observed import observed
from aikit.cli.policy_show import history, show

app = group("Who may spend what: rules in a file, with a history.")
for command in (init, schema, check, diff, apply, show, history, rollback, remove, explain, observed):
    app.command(command.__name__)(command)
