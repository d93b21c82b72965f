"""The built-in guards: what each looks for, what can be set, and where and with which action it may stand.

Plain data, for the reader of policies, for the documentation and for whoever carries the guards out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from aikit.types.guards import GuardAction, Place

ALLOW, FLAG, REDACT, BLOCK = GuardAction.ALLOW, GuardAction.FLAG, GuardAction.REDACT, GuardAction.BLOCK
ALL_ACTIONS = tuple(GuardAction)
ALL_PLACES = tuple(Place)
SENT = (Place.INPUT, Place.TOOL_RESULTS)
RETURNED = (Place.OUTPUT, Place.TOOL_ARGUMENTS)


class Kind(NamedTuple):
    """One thing that a guard tells apart."""

    name: str
    doc: str
    on: bool = True
    """Whether it is looked for unless the option `kinds` says otherwise."""


class Option(NamedTuple):
    """Something that can be set. `texts` is a list of strings, `object` a JSON object, `choices` what may be in it."""

    name: str
    type: Literal["boolean", "integer", "texts", "object"]
    default: Any
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    """Of an integer its bounds; of a list those of its length."""


class GuardInfo(NamedTuple):
    """One guard."""

    name: str
    doc: str
    kinds: tuple[Kind, ...]
    options: tuple[Option, ...] = ()
    action: GuardAction = FLAG
    places: tuple[Place, ...] = ALL_PLACES
    actions: tuple[GuardAction, ...] = ALL_ACTIONS
    possible_places: tuple[Place, ...] = ALL_PLACES


RESTORE = Option(
    "restore", "boolean", False, "Put back into output and tool arguments what was redacted in input and tool results."
)


def _kinds_option(kinds: tuple[Kind, ...]) -> Option:
    on = [kind.name for kind in kinds if kind.on]
    return Option("kinds", "texts", on, "What to look for.", choices=tuple(kind.name for kind in kinds), minimum=1)


_UNICODE = (
    Kind("invisible", "Zero-width and other characters that show nothing"),
    Kind("bidi", "Controls that turn the direction of text"),
    Kind("tags", "Tag characters, which can spell hidden text"),
    Kind("variation", "Variation selectors where they select nothing"),
    Kind("control", "Control characters other than tab and line ends", on=False),
)
_URLS = (
    Kind("image", "The address of a Markdown or HTML image"),
    Kind("link", "The address of a Markdown or HTML link"),
    Kind("url", "An address in plain text"),
)
_SECRETS = (
    Kind("openai_key", "OpenAI API key"),
    Kind("anthropic_key", "Anthropic API key"),
    Kind("google_key", "Google or Gemini API key"),
    Kind("aws_key_id", "AWS access key id"),
    Kind("aws_secret", "AWS secret access key, after a word that says so"),
    Kind("azure_key", "Azure storage or service key, after a word that says so"),
    Kind("github_token", "GitHub token"),
    Kind("gitlab_token", "GitLab token"),
    Kind("slack_token", "Slack token or webhook"),
    Kind("stripe_key", "Stripe secret or restricted key"),
    Kind("twilio_key", "Twilio API key; its auth token after a word that says so"),
    Kind("sendgrid_key", "SendGrid API key"),
    Kind("npm_token", "npm access token"),
    Kind("pypi_token", "PyPI API token"),
    Kind("huggingface_token", "Hugging Face access token"),
    Kind("aikit_key", "A key of aikit's own server"),
    Kind("bedrock_key", "API key of Amazon Bedrock"),
    Kind("model_key", "Key of OpenRouter, DeepSeek, xAI, Groq, Perplexity and other services for models"),
    Kind("service_token", "Token of Atlassian, Databricks, DigitalOcean, Notion, Shopify, Vault and other services"),
    Kind("named_key", "32 letters and digits or more that are given as an API key, access token or client secret"),
    Kind("jwt", "JSON Web Token"),
    Kind("private_key", "Private key block (PEM, OpenSSH, PGP)"),
    Kind("url_password", "The password in a URL of a database or service"),
    Kind("bearer_token", "The token of an `Authorization: Bearer` header"),
)
_PII = (
    Kind("email", "E-mail address"),
    Kind("phone", "Telephone number, valid in one of the `regions` or with its country code"),
    Kind("card", "Payment card number (issuer range and Luhn)"),
    Kind("iban", "Bank account number (length of its country and checksum)"),
    Kind("ssn", "US social security number"),
    Kind("ip", "IP address; private and reserved ones only with `private_ips`"),
    Kind("de.idnr", "German tax number"),
    Kind("fr.nir", "French social security number"),
    Kind("es.nif", "Spanish identity number (DNI, NIE, NIF)"),
    Kind("it.codicefiscale", "Italian fiscal code"),
    Kind("br.cpf", "Brazilian taxpayer number"),
    Kind("nl.bsn", "Dutch citizen number", on=False),
    Kind("pl.pesel", "Polish identity number", on=False),
    Kind("gb.nhs", "UK health service number", on=False),
    Kind("gb.nino", "UK national insurance number"),
    Kind("in.aadhaar", "Indian identity number", on=False),
    Kind("in.pan", "Indian taxpayer number"),
    Kind("cn.ric", "Chinese identity number"),
    Kind("kr.rrn", "Korean resident number"),
    Kind("mx.curp", "Mexican population registry code"),
    Kind("ca.sin", "Canadian social insurance number", on=False),
    Kind("au.tfn", "Australian tax file number", on=False),
    Kind("za.idnr", "South African identity number", on=False),
)
_INJECTION = (
    Kind("override", "Asks to forget or ignore instructions"),
    Kind("role_play", "Gives the model another identity, or one without rules"),
    Kind("exfiltration", "Asks for the system prompt, secrets or the conversation"),
    Kind("forged_turn", "Imitates the marks of a chat template or another speaker"),
    Kind("encoded", "Asks to decode something and to do what it says"),
    Kind("tool_order", "Orders given to an assistant in a document or result"),
)

CATALOGUE: tuple[GuardInfo, ...] = (
    GuardInfo(
        "unicode",
        "Characters that are not seen but read: invisible, bidirectional, tag characters.",
        _UNICODE,
        (_kinds_option(_UNICODE),),
        action=REDACT,
    ),
    GuardInfo(
        "max_length",
        "A bound on the characters of one text.",
        (Kind("length", "The text is longer"),),
        (Option("characters", "integer", None, "The longest text.", required=True, minimum=1),),
        action=BLOCK,
    ),
    GuardInfo(
        "canary",
        "A random token in the system prompt that must not come out.",
        (Kind("canary", "The token, plain or disguised"),),
        action=BLOCK,
        places=RETURNED,
        possible_places=RETURNED,
    ),
    GuardInfo(
        "urls",
        "Addresses of hosts that are not on the list.",
        _URLS,
        (
            _kinds_option(_URLS),
            Option("allow", "texts", [], "Hosts that may be linked to; `*.example.com` stands for all below it."),
        ),
        action=FLAG,
        places=RETURNED,
    ),
    GuardInfo(
        "secrets",
        "Keys, tokens and passwords.",
        _SECRETS,
        (_kinds_option(_SECRETS), RESTORE),
        action=REDACT,
    ),
    GuardInfo(
        "pii",
        "What identifies a person: addresses, numbers of accounts and of authorities.",
        _PII,
        (
            _kinds_option(_PII),
            Option("regions", "texts", ["US"], "Countries whose national way to write a phone number counts."),
            Option("private_ips", "boolean", False, "Find private and reserved IP addresses as well."),
            RESTORE,
        ),
        action=FLAG,
    ),
    GuardInfo(
        "banned_terms",
        "Words and phrases of a list, as whole words, whatever their case.",
        (Kind("term", "One of the terms"),),
        (Option("terms", "texts", None, "The terms.", required=True, minimum=1, maximum=1000), RESTORE),
        action=BLOCK,
    ),
    GuardInfo(
        "injection",
        "Wording that is usual in prompt injections. A signal, not protection.",
        _INJECTION,
        (_kinds_option(_INJECTION),),
        action=FLAG,
        places=SENT,
        actions=(ALLOW, FLAG, BLOCK),
        possible_places=SENT,
    ),
    GuardInfo(
        "custom",
        "A guard of the application: `custom.NAME`, an entry point of the group `aikit.guards` or a callable.",
        (),
        action=FLAG,
    ),
    GuardInfo(
        "json_schema",
        "Output that has to be JSON of a schema.",
        (
            Kind("not_json", "It is not JSON"),
            Kind("mismatch", "It is JSON, but not of the schema"),
            Kind("repaired", "It was, but for what stood around it, which was removed"),
        ),
        (
            Option("schema", "object", None, "The JSON Schema; that of the prompt's output if it is not stated."),
            Option("repair", "boolean", False, "Remove code fences and prose around it (actions redact and block)."),
        ),
        action=BLOCK,
        places=(Place.OUTPUT,),
        possible_places=(Place.OUTPUT,),
    ),
)

BY_NAME: Mapping[str, GuardInfo] = {guard.name: guard for guard in CATALOGUE}
ORDER: tuple[str, ...] = tuple(guard.name for guard in CATALOGUE)
"""Guards are applied in this order; placeholders are put back after all of them."""

EVERYWHERE = (
    Kind("crashed", "The guard failed; if it blocks or redacts, the text is blocked"),
    Kind("more", "Counts the findings beyond the hundredth of an attempt"),
)
"""Kinds that any guard can come with."""


def defaults(guard: str) -> dict[str, Any]:
    """The options of a guard as they are unless stated."""
    return {option.name: option.default for option in BY_NAME[guard.partition(".")[0]].options}
