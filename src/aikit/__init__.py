"""aikit: every model call metered, capped, accounted for and explainable."""

__version__ = "0.1.0"
