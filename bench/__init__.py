"""`make bench`: how fast each part is, beside the limit that the same machine sets in the same run."""
