"""What the MCP face's tools are called with, and within which limits."""

from __future__ import annotations

TASKS_CREATE = "tasks:create"
TASKS_READ = "tasks:read"
PROCESSES_READ = "processes:read"
PROCESSES_WRITE = "processes:write"
SCOPES = (TASKS_CREATE, TASKS_READ, PROCESSES_READ, PROCESSES_WRITE)
"""With any of these a token may come in; each tool says which it needs."""

PATH = "/mcp"
READ_ONLY_HEADER = b"x-procession-read-only"
WAIT_S_MAX = 300
PROGRESS_MS = 3_000
"""How often a call that waits says that it still does."""
STREAM_S_MAX = WAIT_S_MAX + 30.0
RUNNING_MAX = 10_000
"""Calls that can be cancelled by name at once; others end with their connection."""
