"""The control plane: decisions without dispatch, holds, usage, and what a key may see and manage.

    part       all of its endpoints
    fields     what bodies and answers have in common
    whose      in whose name, by the key and by what the request adds
    once       idempotency keys
    ledger     blocking looks into the ledger, beside the event loop, one tenant at a time
    kept       its connections
    questions  what POST /v1/evaluate is asked and answers
    pricing    a question as an order: its guards, its bound, its price
    evaluate   POST /v1/evaluate
    settling   a report as an ending. Pure
    usage      POST /v1/usage
    holds      POST /v1/holds/{id}/void and /extend
    listing    the form in which everything is read
    spending   what was used, what may be, by which calls
    decisions  why
    shared     breakers and prompts
    keys       the keys of the server
    policies   policies and limits

1 billed request is 1 evaluate and 1 usage; nothing here sends anything to a provider.
"""
