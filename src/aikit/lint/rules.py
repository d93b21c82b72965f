"""The rules: one table, from which help, documentation, SARIF and tests are made."""

from __future__ import annotations

from difflib import get_close_matches

from aikit.errors import ConfigError
from aikit.lint.model import Rule

RULES = (
    Rule(
        "AK000",
        "bad-allow",
        "An allow comment that does not hold: it gives no reason, names no rule, or allows nothing.",
        "An exception that nobody can explain, or that nothing needs any more, hides the next one.",
        "Write `# aikit: allow AK001 why it is right`, or remove the comment.",
        "client = openai.OpenAI()  # aikit: allow AK001",
        "client = openai.OpenAI()  # aikit: allow AK001 lists models only, which costs nothing",
    ),
    Rule(
        "AK001",
        "client-outside-the-kit",
        "A client of a provider's SDK that is not the kit's.",
        "What it sends is not metered, capped or accounted for, and no guard reads it.",
        "Use kit.openai(tenant=…), kit.anthropic(…) or kit.gemini(…), or hand it to kit.wrap(client, tenant=…).",
        "import openai\n\nclient = openai.OpenAI()",
        'import openai\n\nclient = kit.wrap(openai.OpenAI(timeout=30), tenant="acme")',
    ),
    Rule(
        "AK002",
        "raw-http-to-a-provider",
        "A request of an HTTP library to a provider's host.",
        "It goes past the kit, so nobody knows what it costs before the bill comes.",
        "Make the call with a client of the kit, or with kit.complete(…).",
        'import httpx\n\nhttpx.post("https://api.openai.com/v1/chat/completions", json=body)',
        'import httpx\n\nhttpx.post("https://example.com/hook", json=body)',
    ),
    Rule(
        "AK003",
        "key-outside-configuration",
        "A provider's key is read from the environment outside of configuration.",
        "Code that holds a key can call the provider past the kit, and can leak it.",
        "Leave the key to the kit, which reads it itself; or name the module in aikit.toml: [lint] configuration.",
        'import os\n\nkey = os.environ["OPENAI_API_KEY"]',
        'import os\n\nlevel = os.environ["LOG_LEVEL"]',
    ),
    Rule(
        "AK004",
        "no-tenant",
        "A call of the kit in nobody's name.",
        "Caps and reports are per tenant: without one, the call is refused when it is made.",
        "Pass tenant=…, or call inside `with aikit.tags(tenant=…):`. If tenants always come from elsewhere: [lint] "
        "default_tenant_ok = true.",
        'reply = kit.complete("Hello")',
        'reply = kit.complete("Hello", tenant="acme")',
    ),
    Rule(
        "AK005",
        "unknown-prompt",
        "A prompt or version of which there is neither a line in the lock, nor a file, nor one that ships with aikit.",
        "The reference fails when the code is run, which may be in production.",
        "Correct the reference; `aikit prompt list` has what there is, `aikit prompt new` makes one.",
        'kit.prompt("no_such_prompt@v9", text=text)',
        'kit.prompt("judge@v1", text=text)',
    ),
    Rule(
        "AK006",
        "loose-prompt-reference",
        "A reference to a prompt that names no version and no label, or `@latest`.",
        "What it means would change without a decision, and nothing could roll it back.",
        "Write NAME@vN for a version, or NAME@production for what a label points to.",
        'kit.prompt("judge@latest", text=text)',
        'kit.prompt("judge@production", text=text)',
    ),
    Rule(
        "AK007",
        "candidate-outside-of-tests",
        "`@candidate` outside of tests and evals.",
        "It is the newest file, locked or not: outside of the environment dev it is refused.",
        "Name a version (NAME@v3) or a label that is moved on purpose (NAME@production).",
        'kit.prompt("judge@candidate", text=text)',
        'kit.prompt("judge@v1", text=text)',
    ),
    Rule(
        "AK008",
        "framework-with-its-own-client",
        "A framework makes a client of its own.",
        "Its calls, often many for one of yours, go past the kit.",
        "Hand it a client of the kit.",
        'from langchain_openai import ChatOpenAI\n\nllm = ChatOpenAI(model="gpt-5-mini")',
        "from langchain_openai import ChatOpenAI\n\n"
        'client = kit.openai(tenant="acme")\n'
        'llm = ChatOpenAI(model="gpt-5-mini", root_client=client, client=client.chat.completions)',
    ),
    Rule(
        "AK009",
        "unreadable-file",
        "A file that can't be read as Python.",
        "Nobody knows whether it holds an unmetered path.",
        "Correct it, or leave it out by [lint] exclude in aikit.toml.",
        "def (",
        "def f(): ...",
    ),
)
BY_CODE = {rule.code: rule for rule in RULES}


def codes(stated: list[str], option: str) -> frozenset[str]:
    """The codes of a list such as `AK001,AK002`, or of one option given twice. Raises ConfigError for any other."""
    found = [code.strip().upper() for text in stated for code in text.split(",") if code.strip()]
    for code in found:
        rule(code, option)
    return frozenset(found)


def rule(code: str, where: str) -> Rule:
    """The rule of a code. Raises ConfigError."""
    found = BY_CODE.get(code.upper())
    if found is None:
        like = get_close_matches(code.upper(), BY_CODE, n=1)
        raise ConfigError(
            f"{where}: there is no rule {code[:40]!r}.",
            facts={"rule": code[:40]},
            remedy=f"Did you mean {like[0]}?" if like else f"Rules are {RULES[0].code} to {RULES[-1].code}.",
        )
    return found
