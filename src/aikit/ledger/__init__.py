"""The books: the schema, its migrations, and what is read from it."""
