"""The reading side of the accounts: what was booked, as documents, for API, pages and command line alike."""
