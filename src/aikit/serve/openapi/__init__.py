"""The server's OpenAPI document: made of the endpoints themselves, so it says what they do.

document   the whole document
schemas    models, lists and policy files as JSON Schemas
errors     what every endpoint may refuse with, and in which words
proxied    the paths of the providers' APIs, and those of operations
examples   what is asked and answered, as a server has said it
part       GET /openapi.json
"""
