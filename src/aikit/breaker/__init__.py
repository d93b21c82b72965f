"""The breaker: when a provider or a model of it is not asked any more, and how it is tried again. Pure."""
