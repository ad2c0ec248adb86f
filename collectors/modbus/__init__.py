"""Modbus: planning and decoding are pure; only `client` and `simulated_meter` know a Modbus library."""
