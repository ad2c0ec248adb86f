"""The gateway's clockwork: stored work lists in, accounts out. Every stage is idempotent and catches up by itself."""
