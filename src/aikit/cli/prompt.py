"""`aikit prompt`: prompts as versions that never change. Each command is in a module of what it is about."""

from __future__ import annotations

from aikit.cli.group import group

app = group("Prompts: versions that never change, in files, with labels that point to them.")
