"""What a process can do: one file per built-in capability, found by entry point."""
