"""`aikit serve`: the same call path for every language, over HTTP.

    app        the ASGI application: which path goes where, and what every answer carries
    model      what a request is made by (a key), and what a server is made of
    keys       keys are looked up anew for every request, many at once in one statement
    proxy      the providers' own APIs: bytes in, bytes out, metered on the way
    leaving    a caller who leaves is noticed at once
    native     POST /v1/ai/complete
    control    decisions without dispatch, holds, usage, and what a key may see and manage
    endpoints  what an endpoint of our own is, in one place: its routes and its documentation are made of that
    openapi    GET /openapi.json
    running    processes, sockets, the end

Only `running` knows sockets and processes. Nothing here decides: that is the exchange's and the meter's.
"""
