"""Prompts as versioned artefacts: files that are locked, published and pointed to by labels."""
