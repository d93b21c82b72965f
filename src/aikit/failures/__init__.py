"""What a provider answers when it fails: read, put under one set of codes, and never repeated."""
