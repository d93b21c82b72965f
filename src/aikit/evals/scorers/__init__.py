"""Scorers: each looks at one answer and says what it is worth, or that it could not tell."""
