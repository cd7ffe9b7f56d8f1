"""One durable process API over long-running work."""
