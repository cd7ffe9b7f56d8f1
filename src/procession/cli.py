"""The command line (written later in this file's life)."""
