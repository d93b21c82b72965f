"""Guards: checks on text that goes in or out. Pure; which of them apply is for policies to say."""
