"""`aikit prompt`: prompts as versions that never change. Each command is in a module of what it is about."""

from __future__ import annotations

from aikit.cli.group import group
from aikit.cli.prompt_check import check
from aikit.cli.prompt_diff import diff
from aikit.cli.prompt_found import LABELS, POINTERS
from aikit.cli.prompt_labels import history, known_labels, pointed_to, promote, rollback
from aikit.cli.prompt_new import lock, new
from aikit.cli.prompt_publish import publish
from aikit.cli.prompt_render import render
from aikit.cli.prompt_show import list_, show

app = group("Prompts: versions that never change, in files, with labels that point to them.")
app.command("list")(list_)
for command in (show, diff, render, new, lock, check, publish, promote, rollback, history):
    app.command(command.__name__)(command)
LABELS.append(known_labels)
POINTERS.append(pointed_to)
