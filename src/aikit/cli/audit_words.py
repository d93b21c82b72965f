"""What a change in the audit came to: in one line, and in full."""

from aikit.console.details.changes import in_full as in_full
from aikit.console.details.changes import short as short
