"""What the command line can do, one file a group; each imports what is heavy only when it runs."""
