"""The HTTP API: one blueprint per noun, RFC 9457 problems, cursors, bearer tokens and scopes."""
