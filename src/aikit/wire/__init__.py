"""Wire codecs: one module for each provider API, found through `aikit.wire.registry`."""
