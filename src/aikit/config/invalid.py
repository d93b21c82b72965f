"""Words what pydantic found wrong in a table of the configuration, without the values."""

from __future__ import annotations

from pydantic import ValidationError

from aikit.errors import ConfigError


def invalid(where: str, error: ValidationError) -> ConfigError:
    """The error for the table or file `where`: field by field."""
    problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
    return ConfigError(f"{where}: {'; '.join(problems)}.", facts={"problems": problems}, remedy="Correct these fields.")
