"""Evals: what a prompt is worth, measured before it is promoted; a regression fails the build."""
