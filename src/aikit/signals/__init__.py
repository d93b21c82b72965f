"""Tells events on: to logs, OpenTelemetry, Prometheus, Sentry, a webhook, and to the application's own listener."""
