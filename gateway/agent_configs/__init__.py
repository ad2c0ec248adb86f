"""Configurations pushed to agents: made, signed, brought to the broker, and what became of them."""
