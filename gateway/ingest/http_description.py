"""`POST /api/v1/readings` in the words of OpenAPI 3.1, for /openapi.json. The page on it for people is docs/api.md."""

from __future__ import annotations

from typing import Any, get_args

from collectors.wire import MAX_PAYLOAD_BYTES, REASONS, Status

_RECEIPT = {
    "type": "object",
    "properties": {
        "batch": {"type": "string", "description": "the batch's id, empty where it could not be read"},
        "status": {"type": "string", "enum": list(get_args(Status))},
        "accepted": {"type": "integer", "description": "readings stored"},
        "set_aside": {"type": "integer", "description": "readings, or messages, kept aside with their reason"},
        "reasons": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"reason": {"type": "string", "enum": list(REASONS)}, "count": {"type": "integer"}},
                "required": ["reason", "count"],
            },
        },
    },
    "required": ["batch", "status"],
}
_RECEIPTS = {
    "type": "object",
    "properties": {"receipts": {"type": "array", "items": _RECEIPT}},
    "required": ["receipts"],
}
_BATCH = {"schema": {"type": "string", "description": f"a batch of at most {MAX_PAYLOAD_BYTES} bytes of JSON"}}
_LINES = {"schema": {"type": "string", "description": "a batch per line"}}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
_REFUSALS = {
    400: "The body is empty, or is not compressed as it says",
    401: "No token",
    403: "The token is not that of an agent or device",
    413: "The body is too large, or holds too many batches: send smaller parts",
    415: "An encoding other than gzip and zstd",
    429: "Too many requests at once: send it again after Retry-After",
    503: "A store is away: keep the readings and send them again after Retry-After",
}

POST_READINGS: dict[str, Any] = {
    "operationId": "post_readings",
    "summary": "Take one batch of readings, or one per line; answers a receipt per batch, after the commit.",
    "tags": [],
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
        }
    ],
    "requestBody": {"required": True, "content": {"application/json": _BATCH, "application/x-ndjson": _LINES}},
    "responses": {
        "200": {
            "description": "One receipt per batch, in order",
            "content": {"application/json": {"schema": _RECEIPTS}},
        },
        **{str(status): {"description": said, "content": _PROBLEM} for status, said in _REFUSALS.items()},
    },
}
