"""The change feed, brought to a platform's door: signed, in order, again until it was taken."""
