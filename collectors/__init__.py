"""What a reading is, and how an instrument gives one.

Imported by the edge agent and by the gateway; imports neither.
"""
