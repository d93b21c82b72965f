"""`aikit guard`: what is checked in the text that goes in and out. Each command is in a module of what it is about."""

from __future__ import annotations

from aikit.cli.group import group
from aikit.cli.guard_check import check
from aikit.cli.guard_findings import findings
from aikit.cli.guard_list import list_

app = group("Guards: what is checked in texts that go in and out.")
app.command("list")(list_)
for command in (check, findings):
    app.command(command.__name__)(command)
