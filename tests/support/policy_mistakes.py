"""Policy files with one mistake each, and what must be told of it."""

from __future__ import annotations

LIMIT = "[default]\nlimits = [\n  {{ {} }}\n]"
MISTAKES = {
    "an unknown section": ("[plan.free]", "line 1, plan: is not a field here. Did you mean plans?"),
    "an unknown field": (
        "[default]\nmax_output_token = 1",
        "line 2, default.max_output_token: is not a field here. Did you mean max_output_tokens?",
    ),
    "an unknown environment": (
        "[environments.production]",
        'line 1, environments.production: is "production". Did you mean prod?',
    ),
    "a section that is no table": ("default = 1", "line 1, default: is 1. Write a table"),
    "plans that are no table": ("plans = []", "line 1, plans: is an array. Write a table"),
    "policies that are no array": ("[policies]", "line 1, policies: is a table. Write an array of tables"),
    "a policy that is no table": ("policies = [1]", "line 1, policies[0]: is 1. Write a table"),
    "an empty name": ('[plans.""]', 'line 1, plans."": can\'t be used: a plan is empty'),
    "a name that is too long": (f"[users.{'u' * 201}]", "can't be used: a user has 201 characters; 200 is the most"),
    "an unprintable name": (
        '[[policies]]\nname = "a\\nb"\nscope = {}',
        "line 2, policies[0].name: can't be used: a name has characters",
    ),
    "a forgotten scope": ("[[policies]]\nname = 'x'", "line 1, policies[0].scope: is missing. Which calls it is for"),
    "an unknown part of a scope": (
        "[[policies]]\nscope = { team = 'x' }",
        "line 2, policies[0].scope.team: is not a field here",
    ),
    "a scope in a section": (
        "[users.u]\nscope = { plan = 'pro' }",
        "line 2, users.u.scope: is not a field here. The heading says it",
    ),
    "a number as text": (
        '[default]\nmax_output_tokens = "1"',
        'line 2, default.max_output_tokens: is "1". Write a whole number',
    ),
    "a whole number with a point": (
        "[default]\nmax_output_tokens = 1.0",
        "is the float 1.0, which is not exact. Write a whole number from 1 to 10,000,000",
    ),
    "a truth as a number": ("[default]\npriority = true", "line 2, default.priority: is true. Write a whole number"),
    "a number as a truth": (
        "[default]\nclamp = 1",
        "line 2, default.clamp: is 1. Write true or false, without quotes.",
    ),
    "a date": ("[default]\nuncapped = 2026-01-01", "line 2, default.uncapped: is a date."),
    "a number that is too large": (
        "[default]\nmax_output_tokens = 10_000_001",
        "is 10,000,001. It must be from 1 to 10,000,000.",
    ),
    "no output at all": ("[default]\nmax_output_tokens = 0", "is 0. It must be from 1"),
    "a description that is no text": (
        "[default]\ndescription = 5",
        "line 2, default.description: is 5. Write text in quotes.",
    ),
    "an empty description": ("[default]\ndescription = ' '", "line 2, default.description: has 1 characters"),
    "an unprintable description": ('[default]\ndescription = "a\\u0000"', "has characters that can't be printed"),
    "a default above the ceiling": (
        "[default]\nmax_output_tokens = 10\ndefault_output_tokens = 11",
        "line 3, default.default_output_tokens: is 11. max_output_tokens allows 10 at most.",
    ),
    "a glob without a provider": (
        "[default.models]\nallow = [\n'*',\n'gpt-*']",
        'line 4, default.models.allow[1]: is "gpt-*". Write provider/model',
    ),
    "an empty glob": ("[default]\nmodels.deny = ['']", 'line 2, default.models.deny[0]: is "". Write provider/model'),
    "globs that are no array": (
        "[default]\nmodels = { allow = '*' }",
        'line 2, default.models.allow: is "*". Write an array of models',
    ),
    "models that are no table": ("[default]\nmodels = ['*']", "line 2, default.models: is an array. Write a table"),
    "entitlements outside a plan": (
        "[users.u]\nentitlements = []",
        "line 2, users.u.entitlements: is not a field here. Only a plan gives entitlements",
    ),
    "entitlements of half a plan": (
        "[[policies]]\nscope = { plan = 'p', user = 'u' }\nentitlements = []",
        "line 3, policies[0].entitlements: is for a policy whose scope is a plan",
    ),
    "an empty entitlement": (
        "[plans.p]\nentitlements = ['']",
        "line 2, plans.p.entitlements[0]: can't be used: an entitlement is empty",
    ),
    "money as a float": (
        "[default]\nmax_cost_usd = 0.5",
        'line 2, default.max_cost_usd: is the float 0.5, which is not exact. Put it in quotes: "0.5".',
    ),
    "money as a word": ("[default]\nmax_cost_usd = 'five'", 'is "five". Write dollars as digits'),
    "negative money": ("[default]\nmax_cost_usd = '-5'", 'is "-5". Write dollars as digits'),
    "money beyond measure": ("[default]\nmax_cost_usd = '9000000001'", "can't exceed nine billion dollars"),
    "prices as a word": ("[default]\nunpriced = 'allow'", 'is "allow". Write "deny", or prices'),
    "prices without input": ("[default]\nunpriced = { output = '1' }", "line 2, default.unpriced.input: is missing"),
    "a price of an unknown class": (
        "[default]\nunpriced = { input = '1', outputs = '1' }",
        "unpriced.outputs: is not a field here. Did you mean output?",
    ),
    "a price as a float": (
        "[default]\nunpriced = { input = 0.15 }",
        "unpriced.input: is the float 0.15, which is not exact. Write USD per million",
    ),
    "a price beyond measure": (
        "[default]\nunpriced = { input = '1000001' }",
        'unpriced.input: is "1000001". Write USD per million',
    ),
    "limits that are no array": (
        "[default]\nlimits = { cap = 1 }",
        "line 2, default.limits: is a table. Write an array of tables",
    ),
    "a limit that is no table": ("[default]\nlimits = [1]", "line 2, default.limits[0]: is 1. Write a table"),
    "no cap": (LIMIT.format('window = "day"'), "line 3, default.limits[0]: has no cap. Add cap = 100"),
    "two caps": (
        LIMIT.format('cap = 1, cap_usd = "1", window = "day"'),
        "line 3, default.limits[0].cap_usd: is there as well as cap",
    ),
    "two soft caps": (
        LIMIT.format('cap = 9, soft_cap = 1, soft_cap_usd = "1", window = "day"'),
        "limits[0].soft_cap_usd: is there as well as soft_cap",
    ),
    "no window": (LIMIT.format("cap = 1"), "line 3, default.limits[0].window: is missing. Known: call, minute"),
    "an unknown window": (
        LIMIT.format('cap = 1, window = "monthly"'),
        'limits[0].window: is "monthly". Did you mean month?',
    ),
    "an unknown metric": (
        LIMIT.format('cap = 1, metric = "token", window = "day"'),
        'limits[0].metric: is "token". Did you mean tokens?',
    ),
    "an unknown action": (
        LIMIT.format('cap = 1, window = "day", action = "stop"'),
        'limits[0].action: is "stop". Known: block, warn.',
    ),
    "a negative cap": (LIMIT.format('cap = -1, window = "day"'), "limits[0].cap: is -1. It must be from 0"),
    "more credits than there are": (
        LIMIT.format('cap = 90_000_000_000_001, window = "day"'),
        "limits[0].cap: is 90,000,000,000,001 credits. 90,000,000,000,000 are the most.",
    ),
    "more tokens than there are": (
        LIMIT.format('metric = "tokens", cap = 1_000_000_000_000_001, window = "day"'),
        "limits[0].cap: is 1,000,000,000,000,001. It must be",
    ),
    "dollars for tokens": (
        LIMIT.format('metric = "tokens", cap_usd = "1", window = "day"'),
        "limits[0].cap_usd: is an amount of money, but the metric is tokens. Write cap = 100.",
    ),
    "a soft cap in dollars for requests": (
        LIMIT.format('metric = "requests", cap = 2, soft_cap_usd = "1", window = "day"'),
        "limits[0].soft_cap_usd: is an amount of money",
    ),
    "a soft cap at the cap": (
        LIMIT.format('cap_usd = "5", soft_cap_usd = "5.00", window = "day"'),
        "limits[0].soft_cap_usd: is not below the cap",
    ),
    "a window for concurrency": (
        LIMIT.format('metric = "concurrency", cap = 1, window = "day"'),
        "limits[0].window: has no meaning for concurrency",
    ),
    "requests a call": (
        LIMIT.format('metric = "requests", cap = 1, window = "call"'),
        "limits[0].window: is call, and every call is one request",
    ),
    "each user of a single call": (
        LIMIT.format('cap = 1, window = "call", each = "user"'),
        "limits[0].each: has no meaning for the window call",
    ),
    "each of something else": (
        LIMIT.format('cap = 1, window = "day", each = "tenant"'),
        'limits[0].each: is "tenant". Known: user, feature.',
    ),
    "each user of one user": (
        '[users.u]\nlimits = [{ cap = 1, window = "day", each = "user" }]',
        "line 2, users.u.limits[0].each: is user, but the policy is for one user",
    ),
    "each feature of one feature": (
        '[features.f]\nlimits = [{ cap = 1, window = "day", each = "feature" }]',
        "features.f.limits[0].each: is feature, but the policy is for one feature",
    ),
    "each user of one user's plan": (
        '[[policies]]\nscope = { user = "u", plan = "p" }\nlimits = [{ cap = 1, window = "day", each = "user" }]',
        "line 3, policies[0].limits[0].each: is user",
    ),
    "an unknown time zone": (
        LIMIT.format('cap = 1, window = "day", time_zone = "Europe/Zürich"'),
        'limits[0].time_zone: is "Europe/Zürich". Did you mean Europe/Zurich?',
    ),
    "a time zone that is nowhere": (
        LIMIT.format('cap = 1, window = "day", time_zone = "zzz"'),
        'limits[0].time_zone: is "zzz". Write a name of the IANA time zone database',
    ),
    "a time zone that is a path": (
        LIMIT.format('cap = 1, window = "day", time_zone = "../UTC"'),
        "limits[0].time_zone: is",
    ),
    "a time zone for a minute": (
        LIMIT.format('cap = 1, window = "minute", time_zone = "UTC"'),
        "limits[0].time_zone: has no meaning for the window minute",
    ),
    "an anchor for concurrency": (
        LIMIT.format('metric = "concurrency", cap = 1, anchor = 1'),
        "limits[0].anchor: has no meaning for concurrency",
    ),
    "an hour that is not": (
        LIMIT.format('cap = 1, window = "day", anchor = 24'),
        "limits[0].anchor: is 24. A day starts at an hour from 0 to 23.",
    ),
    "a weekday for a day": (
        LIMIT.format('cap = 1, window = "day", anchor = "monday"'),
        'limits[0].anchor: is "monday". A day starts at an hour',
    ),
    "a number for a weekday": (
        LIMIT.format('cap = 1, window = "week", anchor = 1'),
        "limits[0].anchor: is 1. Known: monday",
    ),
    "a weekday that is not": (
        LIMIT.format('cap = 1, window = "week", anchor = "sonday"'),
        'limits[0].anchor: is "sonday". Did you mean sunday?',
    ),
    "a day that some months lack": (
        LIMIT.format('cap = 1, window = "month", anchor = 29'),
        "limits[0].anchor: is 29. A month starts on a day from 1 to 28",
    ),
    "the day before the first": (
        LIMIT.format('cap = 1, window = "month", anchor = 0'),
        "limits[0].anchor: is 0. A month starts on a day from 1 to 28",
    ),
    "an anchor of another kind": (
        LIMIT.format('cap = 1, window = "month", anchor = true'),
        "limits[0].anchor: is true. Write an hour",
    ),
    "two limits that count the same": (
        LIMIT.format('cap = 1, window = "day" }, { cap = 2, window = "day", anchor = 3'),
        "default.limits[1]: counts the same as limits[0]. Keep one",
    ),
    "a limit on a call that is stated twice": (
        '[default]\nmax_cost_usd = "1"\nlimits = [{ cap = 1, window = "call" }]',
        "line 3, default.limits[0]: counts the same as max_cost_usd",
    ),
    "two policies of one name": (
        "[plans.a]\n[[policies]]\nscope = { plan = 'a' }",
        'line 2, policies[0]: has the same name as plans.a: "plan:a".',
    ),
    "guards that are no table": ("[default]\nguards = 'pii'", 'line 2, default.guards: is "pii". Write a table'),
    "an unknown guard": ("[default.guards]\nsecret = 'flag'", "guards.secret: is not a guard. Did you mean secrets?"),
    "an unknown action of a guard": (
        "[default.guards]\nsecrets = 'stop'",
        'line 2, default.guards.secrets: is "stop". Known: off, allow, flag, redact, block.',
    ),
    "an action that a guard can't have": (
        "[default.guards]\ninjection = { action = 'redact' }",
        """guards.injection.action: is "redact". injection can't do that. Known: allow, flag, block.""",
    ),
    "a guard that is on by a flag": ("[default.guards]\npii = true", "guards.pii: is true. Known: off, allow"),
    "a guard that is off in a table": (
        "[default.guards]\npii = { action = 'off' }",
        'guards.pii.action: is "off". To switch it off, write pii = "off" and nothing else.',
    ),
    "an unknown place": ("[default.guards]\npii = { on = ['inputs'] }", 'on[0]: is "inputs". Did you mean input?'),
    "a place where a guard can't look": (
        "[default.guards]\njson_schema = { on = ['input'] }",
        """json_schema.on[0]: is "input". json_schema can't look there. Known: output.""",
    ),
    "a guard that looks nowhere": (
        "[default.guards]\npii = { on = [] }",
        'guards.pii.on: names no place. Write pii = "off" to switch it off.',
    ),
    "an unknown kind": ("[default.guards]\npii = { kinds = ['emial'] }", 'kinds[0]: is "emial". Did you mean email?'),
    "no kind at all": ("[default.guards]\npii = { kinds = [] }", "pii.kinds: has 0. Write 1 to"),
    "a region in small letters": ("[default.guards]\npii = { regions = ['gb'] }", 'is "gb". Did you mean GB?'),
    "a region that is nowhere": ("[default.guards]\npii = { regions = ['ZZ'] }", 'is "ZZ". Write the two letters'),
    "an unknown option of a guard": (
        "[default.guards]\npii = { region = ['GB'] }",
        "guards.pii.region: is not a field here. Did you mean regions?",
    ),
    "an option that is needed": (
        "[default.guards]\nmax_length = { action = 'block' }",
        "guards.max_length.characters: is missing",
    ),
    "a guard without what it needs": (
        "[default.guards]\nbanned_terms = 'block'",
        'banned_terms: does not say terms. Write banned_terms = { action = "block", terms = … }.',
    ),
    "an empty term": ("[default.guards]\nbanned_terms = { terms = [''] }", 'terms[0]: is "". Write text in quotes.'),
    "an address for a host": (
        "[default.guards]\nurls = { allow = ['https://example.com/'] }",
        'urls.allow[0]: is "https://example.com/". Write a host alone',
    ),
    "nothing to restore": (
        "[default.guards]\nsecrets = { action = 'block', restore = true }",
        "guards.secrets.restore: has no meaning with the action block. Leave it out, or choose redact.",
    ),
    "a schema that is no JSON": (
        "[default.guards]\njson_schema = { schema = 'object' }",
        "guards.json_schema.schema: is not JSON. Write a JSON Schema in single quotes",
    ),
    "a schema that is none": (
        '[default.guards]\njson_schema = { schema = \'{"type": "objct"}\' }',
        "json_schema.schema: is no JSON Schema: 'objct' is not valid",
    ),
    "a schema from elsewhere": (
        '[default.guards]\njson_schema = { schema = \'{"$ref": "http://example.com/a"}\' }',
        'refers to "http://example.com/a". Refer to its own parts only',
    ),
    "a schema with a number that is none": (
        "[default.guards]\njson_schema = { schema = '{\"maximum\": NaN}' }",
        "guards.json_schema.schema: is not JSON.",
    ),
    "a schema that can't be stored": (
        '[default.guards]\njson_schema = { schema = \'{"title": "\\u0000"}\' }',
        "guards.json_schema.schema: has characters that can't be stored",
    ),
    "a schema that is nested too deeply": (
        "[default.guards]\njson_schema = { schema = '" + '{"not": ' * 600 + "{}" + "}" * 600 + "' }",
        "guards.json_schema.schema: is n",
    ),
    "a term that can't be printed": (
        '[default.guards]\nbanned_terms = { terms = ["a\\u0000b"] }',
        "terms[0]: has characters that can't be printed",
    ),
    "a custom guard without a name": (
        "[default.guards]\ncustom = 'flag'",
        'guards.custom: is "flag". Write the name of the guard as well: custom.NAME = "flag".',
    ),
    "a custom guard in quotes": (
        "[default.guards]\n'custom.tone' = 'flag'",
        'guards."custom.tone": is not a guard. Did you mean custom?',
    ),
    "a name that no custom guard can have": (
        "[default.guards]\ncustom.'a b' = 'flag'",
        """custom."a b": can't be a guard's name. Use lower-case letters""",
    ),
}
