"""What callers see: one contract a face; no face knows another."""
