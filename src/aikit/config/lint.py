"""What `aikit lint` is told about the project: `[lint]` of the configuration.

[lint]
exclude = ["vendor/**", "docs/examples"]   # files and folders that are not looked at
configuration = ["app/secrets.py"]         # beside config.py, settings.py …: may read keys of providers
tests = ["qa/**"]                          # beside tests/, test_*.py, evals/ …: may use @candidate
default_tenant_ok = true                   # calls need no tenant of their own; default: false
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Glob = Annotated[str, Field(min_length=1)]


class LintTable(BaseModel):
    """`[lint]` as it is written. Globs start at the folder of `aikit.toml`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    exclude: list[Glob] = []
    configuration: list[Glob] = []
    tests: list[Glob] = []
    default_tenant_ok: bool = False
