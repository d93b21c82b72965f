"""The control plane: decisions without dispatch, holds, usage, and what a key may see and manage.

    fields     what bodies and answers have in common
    whose      in whose name, by the key and by what the request adds
    ledger     blocking looks into the ledger, beside the event loop, one tenant at a time
    pricing    a question as an order: its bound, its price
    evaluate   POST /v1/evaluate
    settling   a report as an ending. Pure
    usage      POST /v1/usage, POST /v1/holds/{id}/void|extend
    reads      what was spent, limits, decisions, breakers, prompts
    keys       the keys of the server
    policies   policies and limits

1 billed request is 1 evaluate and 1 usage; nothing here sends anything to a provider.
"""
