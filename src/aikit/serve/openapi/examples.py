"""Answers as a server has given them, by operation id: `examples.json`, beside this module."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

ANSWERS: dict[str, Any] = json.loads((files("aikit.serve.openapi") / "examples.json").read_text("utf-8"))
