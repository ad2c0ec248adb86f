"""The plant side: polls instruments, keeps every reading on disk, sends until the gateway confirms."""
