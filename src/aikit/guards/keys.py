"""Keys and tokens that are known by their looks: how those of each provider are made up."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from collections.abc import Mapping

# The kind, the letters that no such key is without, their offset from its beginning, and the whole of it.
KEYS: tuple[tuple[str, str, int, str], ...] = (
    ("openai_key", "sk-", 0, r"sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,250}|[A-Za-z0-9]{48}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})"),
    ("anthropic_key", "sk-ant-", 0, r"sk-ant-[a-z]{2,8}[0-9]{2}-[A-Za-z0-9_-]{20,200}"),
    ("google_key", "AIza", 0, r"AIza[A-Za-z0-9_-]{35}"),
    ("google_key", "AQ.", 0, r"AQ\.[A-Za-z0-9_-]{40,100}"),
    ("google_key", "GOCSPX-", 0, r"GOCSPX-[A-Za-z0-9_-]{28}"),
    ("google_key", "ya29.", 0, r"ya29\.[A-Za-z0-9_-]{20,400}"),
    ("aws_key_id", "AKIA", 0, r"AKIA(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}"),
    ("aws_key_id", "ASIA", 0, r"ASIA(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}"),
    ("azure_key", "JQQJ99", 52, r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}"),
    ("azure_key", "8Q~", 3, r"[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}"),
    *(("github_token", f"gh{letter}_", 0, rf"gh{letter}_[A-Za-z0-9]{{36,251}}") for letter in "pousr"),
    ("github_token", "github_pat_", 0, r"github_pat_[A-Za-z0-9_]{60,110}"),
    *(
        ("gitlab_token", f"{name}-", 0, rf"{name}-[A-Za-z0-9_.-]{{20,110}}")
        for name in ("glpat", "gldt", "glptt", "glrt", "glcbt", "glsoat", "glft", "glagent")
    ),
    ("slack_token", "xox", 0, r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,250}"),
    ("slack_token", "xapp-", 0, r"xapp-[0-9]-[A-Z0-9]{5,20}-[0-9]{5,20}-[a-z0-9]{20,80}"),
    ("slack_token", "hooks.slack.com/", 0, r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/]{30,120}"),
    *(("stripe_key", f"{name}_", 0, rf"{name}_[A-Za-z0-9]{{16,250}}") for name in ("sk_live", "sk_test", "rk_live", "rk_test", "sk_org_live", "sk_org_test")),
    ("stripe_key", "whsec_", 0, r"whsec_[A-Za-z0-9+/]{24,64}"),
    ("twilio_key", "SK", 0, r"SK[0-9a-f]{32}"),
    ("sendgrid_key", "SG.", 0, r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("npm_token", "npm_", 0, r"npm_[A-Za-z0-9]{36}"),
    ("pypi_token", "pypi-AgE", 0, r"pypi-AgE[A-Za-z0-9_-]{50,500}"),
    ("huggingface_token", "hf_", 0, r"hf_[A-Za-z]{34}"),
    ("huggingface_token", "api_org_", 0, r"api_org_[A-Za-z]{34}"),
    ("aikit_key", "aik_", 0, r"aik_[A-Za-z0-9_-]{20,120}"),
)

MORE: Mapping[str, Mapping[str, str]] = {
    "bedrock_key": {"ABSK": "[A-Za-z0-9+/]{100,300}={0,2}", "bedrock-api-key-": "[A-Za-z0-9+/=]{40,4000}"},
    "model_key": {
        "sk-or-v1-": "[0-9a-f]{64}",  # OpenRouter
        "sk-": "[0-9a-f]{32}",  # DeepSeek
        "xai-": "[A-Za-z0-9]{60,100}",
        "gsk_": "[A-Za-z0-9]{48,64}",  # Groq
        "pplx-": "[A-Za-z0-9]{40,64}",  # Perplexity
        "r8_": "[A-Za-z0-9]{37}",  # Replicate
        "nvapi-": "[A-Za-z0-9_-]{50,90}",
        "csk-": "[A-Za-z0-9]{40,60}",  # Cerebras
        "tgp_v1_": "[A-Za-z0-9_-]{40,60}",  # Together
        "sk_": "[0-9a-f]{48}",  # ElevenLabs
        "lsv2_": "(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",  # LangSmith
        "sk-lf-": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",  # Langfuse
        "tvly-": "(?:dev-|prod-)?[A-Za-z0-9]{28,64}",  # Tavily
    },
    "service_token": {
        "ATATT3xFfGF0": "[A-Za-z0-9_=-]{100,300}",  # Atlassian
        "dapi": "[0-9a-f]{32}(?:-[0-9])?",  # Databricks
        "dckr_pat_": "[A-Za-z0-9_-]{27}",
        "dop_v1_": "[0-9a-f]{64}",  # DigitalOcean
        "dp.pt.": "[A-Za-z0-9]{40,44}",  # Doppler
        "figd_": "[A-Za-z0-9_-]{38,64}",
        "glsa_": "[A-Za-z0-9]{32}_[0-9a-f]{8}",  # Grafana
        "hvs.": "[A-Za-z0-9_-]{90,160}",  # Vault
        "lin_api_": "[A-Za-z0-9]{40}",  # Linear
        "NRAK-": "[A-Z0-9]{27}",  # New Relic
        "ntn_": "[A-Za-z0-9]{40,50}",  # Notion
        "PMAK-": "[0-9a-f]{24}-[0-9a-f]{34}",  # Postman
        "pscale_tkn_": "[A-Za-z0-9_.=-]{32,64}",  # PlanetScale
        "sbp_": "[0-9a-f]{40}",  # Supabase
        "shpat_": "[0-9a-f]{32}",  # Shopify
        "sntrys_": "[A-Za-z0-9_=+/-]{60,400}",  # Sentry
    },
}
"""By kind: the letters that a key begins with, and what follows them."""
