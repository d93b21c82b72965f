"""Small exports in the forms that providers give them; all figures are made up."""

from __future__ import annotations

import json


def csv_of(head: str, *rows: str) -> str:
    return "\n".join([",".join(head.split()), *rows, ""])


FIRST = "1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00"
SECOND = "1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00"
THIRD = "1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00"
OPENAI_COST_HEAD = """start_time end_time start_time_iso end_time_iso amount_value amount_currency line_item project_id
                      organization_id organization_name"""

OPENAI_COSTS = csv_of(
    OPENAI_COST_HEAD,
    f'{FIRST},0.030147500000000000000000,usd,"gpt-4o-mini-2024-07-18, input",proj_a,org-a,Acme',
    f'{FIRST},1.2e-05,usd,"gpt-4o-mini-2024-07-18, cached input",proj_a,org-a,Acme',
    f'{FIRST},0.012,usd,"gpt-4o-mini-2024-07-18, output",proj_a,org-a,Acme',
    f'{SECOND},0E-6176,usd,"gpt-image-1 text, cached input",proj_a,org-a,Acme',
    f"{SECOND},0.01,usd,web search tool calls,proj_a,org-a,Acme",
    f"{THIRD},,,,,,",
)

OPENAI_DAYS = csv_of(
    OPENAI_COST_HEAD,
    f"{FIRST},0.8958740000000000,usd,,,org-a,Acme",
    f"{SECOND},,,,,,",
)

OPENAI_USAGE = csv_of(
    """start_time end_time start_time_iso end_time_iso project_id num_model_requests user_id api_key_id model batch
       service_tier input_tokens output_tokens input_cached_tokens input_uncached_tokens""",
    f"{FIRST},proj_a,10.0,user-a,key_a,gpt-4o-2024-08-06,FALSE,default,59200.0,10646.0,5760.0,53440.0",
    f"{SECOND},,,,,,,,,,,",
)

OPENAI_ACTIVITY = csv_of(
    "date model n_requests n_context_tokens_total n_generated_tokens_total",
    "2026-11-01,gpt-4o-2024-08-06,3,1200,350",
)

ANTHROPIC_COSTS = csv_of(
    """usage_date_utc model workspace api_key usage_type context_window token_type cost_usd list_price_usd cost_type
       inference_geo speed api_key_id api_key_status""",
    "2026-11-01,Claude Haiku 4.5,Default,app,message,≤ 200k,input_no_cache,0.19,0.19,token,global,,apikey_1,active",
    "2026-11-01,Claude Haiku 4.5,Default,app,message,≤ 200k,output,0.03,0.03,token,global,,apikey_1,active",
    '2026-11-02,,Default,"app, second",message,,,0.07,0.07,web_search,global,,apikey_2,active',
)

ANTHROPIC_USAGE = csv_of(
    """usage_date_utc model_version api_key workspace usage_type context_window usage_input_tokens_no_cache
       usage_input_tokens_cache_write_5m usage_input_tokens_cache_write_1h usage_input_tokens_cache_read
       usage_output_tokens web_search_count inference_geo speed""",
    "2026-11-01 02:00,claude-haiku-4-5-20251001,app,Default,standard,≤ 200k,1124832,10,20,30,254558,0,not_available,",
    "2026-11-01 23:00,claude-haiku-4-5-20251001,app,Default,standard,≤ 200k,1,0,0,0,2,0,not_available,",
)

ANTHROPIC_COST_REPORT = json.dumps(
    {
        "data": [
            {
                "starting_at": "2026-11-01T00:00:00Z",
                "ending_at": "2026-11-02T00:00:00Z",
                "results": [
                    {
                        "currency": "USD",
                        "amount": "123.45000001",
                        "workspace_id": None,
                        "description": "Claude Haiku 4.5 Usage - Input Tokens",
                        "cost_type": "tokens",
                        "context_window": "0-200k",
                        "model": "claude-haiku-4-5-20251001",
                        "service_tier": "standard",
                        "token_type": "uncached_input_tokens",
                    },
                    {"currency": "USD", "amount": "1", "description": "Code Execution Usage", "model": None},
                ],
            },
            {"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z", "results": []},
        ],
        "has_more": False,
        "next_page": None,
    }
)

ANTHROPIC_USAGE_REPORT = json.dumps(
    {
        "data": [
            {
                "starting_at": "2026-11-01T00:00:00Z",
                "ending_at": "2026-11-02T00:00:00Z",
                "results": [
                    {
                        "uncached_input_tokens": 1500,
                        "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1000},
                        "cache_read_input_tokens": 200,
                        "output_tokens": 50,
                        "server_tool_use": {"web_search_requests": 10},
                        "model": "claude-haiku-4-5-20251001",
                    }
                ],
            }
        ],
        "has_more": True,
        "next_page": "page_2",
    }
)

OPENAI_COSTS_API = json.dumps(
    [
        {
            "object": "page",
            "data": [
                {
                    "object": "bucket",
                    "start_time": 1793491200,
                    "end_time": 1793577600,
                    "results": [
                        {
                            "object": "organization.costs.result",
                            "amount": {"value": "0.000004500000000000000000000000", "currency": "usd"},
                            "quantity": 30.0,
                            "line_item": "gpt-4o-mini-2024-07-18, input",
                            "project_id": "proj_a",
                        },
                        {
                            "object": "organization.costs.result",
                            "amount": {"value": 0.06, "currency": "usd"},
                            "line_item": "evals | gpt-4o-mini-2024-07-18, input",
                        },
                    ],
                }
            ],
            "has_more": False,
        }
    ]
)

OPENAI_USAGE_API = json.dumps(
    {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": 1793491200,
                "end_time": 1793577600,
                "results": [
                    {
                        "object": "organization.usage.completions.result",
                        "input_tokens": 1000,
                        "output_tokens": 500,
                        "input_cached_tokens": 800,
                        "num_model_requests": 5,
                        "model": "gpt-4o-mini-2024-07-18",
                        "batch": None,
                    }
                ],
            }
        ],
        "has_more": False,
    }
)
