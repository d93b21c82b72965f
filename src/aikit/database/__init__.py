"""Which PostgreSQL, and connections to it."""
