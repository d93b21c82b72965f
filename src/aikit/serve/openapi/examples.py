"""Answers as a server has given them, by operation id."""

from __future__ import annotations

from typing import Any

ANSWERS: dict[str, Any] = {}
