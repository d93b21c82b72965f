"""The policy file to begin with: what it says can be applied as it is, the rest is there to be uncommented."""

from __future__ import annotations

TEMPLATE = """\
#:schema ./policies.schema.json

# Who may spend what. Try it with `aikit policy diff policies.toml`, then `aikit policy apply policies.toml`.
# `aikit policy schema > policies.schema.json` lets editors complete and check this file.
#
# A policy states some fields for a scope; the heading says which. For each field the most specific policy that states
# it wins: user, then feature, then tenant, then plan, then environment, then [default]. All limits that are for a call
# apply, unless a more specific policy counts the very same thing. A call that no limit is for is refused.
# Those of [default] count requests, not money: give every tenant a plan or a cap of its own.

[default]                                  # every call
description = "Ceilings for every call"
max_output_tokens = 4096                   # the most a request may ask for
max_prompt_characters = 100_000
unpriced = "deny"                          # models without a known price
limits = [
  { metric = "requests", window = "minute", cap = 10, each = "user" },
  { metric = "requests", window = "hour", cap = 60, each = "user" },
]
# default_output_tokens = 1024             # written into requests that name no limit
# max_cost_usd = "0.50"                    # the most one attempt may cost
# clamp = true                             # lower a request's output limit to what fits, rather than refuse it
# lease = true                             # hold the output of streams bit by bit, where the API shows all of it
# presume = "input"                        # charge attempts whose end nobody learns their input, not all they held
# on_ledger_failure = "open"               # send calls unchecked while the ledger is away, and post them later
# uncapped = true                          # allow calls that no limit is for
# loops = { identical = 20, seconds = 60, each = "user" }   # more of the same request are a loop
# velocity = { times = 5, floor_usd = "1.00" }   # a minute may cost 5 times one of the last hour, and $1 anyway
# guards = { secrets = "redact", unicode = "redact", injection = "flag" }   # what is checked in texts
# unpriced = { input = "5.00", output = "25.00" }   # or charge such models this, in USD per million tokens

# Plans: put a tenant, or a single user, on one. Without the entitlement "ai_access" a plan allows no calls.

[plans.free]
description = "To try it"
entitlements = ["ai_access"]
models = { allow = ["openai/gpt-5-mini", "anthropic/claude-haiku-*", "gemini/gemini-2.5-flash"] }
limits = [
  { cap_usd = "5.00", soft_cap_usd = "4.00", window = "month" },
]

[plans.pro]
description = "For teams"
entitlements = ["ai_access", "long_context"]
max_output_tokens = 16_384
limits = [
  { cap_usd = "200.00", soft_cap_usd = "160.00", window = "month" },
  { metric = "requests", window = "minute", cap = 60, each = "user" },
  { metric = "requests", window = "hour", cap = 600, each = "user" },
  { metric = "concurrency", cap = 20 },    # at once; it has no window
]

[plans.enterprise]
description = "For companies"
entitlements = ["ai_access", "long_context"]
max_output_tokens = 32_768
max_prompt_characters = 1_000_000
limits = [
  { cap_usd = "5000.00", soft_cap_usd = "4000.00", window = "month" },
  { metric = "requests", window = "minute", cap = 300, each = "user" },
  { metric = "requests", window = "hour", cap = 6000, each = "user" },
]

# A feature, a tenant, a user or an environment can have a policy, too:
#
# [features.summarize]
# requires = ["long_context"]              # entitlements that the caller's plan must give
# models = { deny = ["openai/*-pro"] }     # deny wins over allow
# limits = [
#   # metric: credits (if left out), tokens, input_tokens, output_tokens, requests, concurrency
#   # window: call, minute, hour, day, week, month, total
#   { metric = "tokens", window = "day", cap = 2_000_000 },
#   { cap_usd = "0.25", window = "call" },
#   { cap_usd = "1.00", window = "day", each = "user" },
# ]
#
# [tenants.acme]
# guards = { pii = { action = "redact", kinds = ["email", "card"], restore = true }, injection = "off" }
# limits = [
#   # the month starts on the 15th, in Zurich; a day starts at an hour, a week on a weekday
#   { cap = 1_000_000, window = "month", time_zone = "Europe/Zurich", anchor = 15 },
#   # only recorded, so that a cap can be tried on live traffic before it bites
#   { cap_usd = "20.00", window = "week", anchor = "sunday", action = "warn" },
# ]
#
# [users.u7]
# limits = [{ cap_usd = "0", window = "total" }]   # 0: nothing at all
#
# [environments.dev]
# limits = [{ cap_usd = "10.00", window = "day" }]
#
# Any combination, or more than one policy for a scope. `priority` decides between equally specific ones.
#
# [[policies]]
# name = "night-shift"                     # the scope in words if left out
# scope = { plan = "pro", feature = "chat", environment = "prod" }
# priority = 10
# limits = [{ metric = "output_tokens", window = "hour", cap = 500_000, each = "user" }]
"""
"""A commented `policies.toml`."""
