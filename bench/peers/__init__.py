"""What others make of the same work: each peer in an environment of its own."""
