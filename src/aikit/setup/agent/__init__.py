"""A model may lead the set-up: it proposes, the person confirms, and code decides what can be proposed at all."""
