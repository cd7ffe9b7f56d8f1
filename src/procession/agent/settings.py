"""What an agent is told when it starts."""

from __future__ import annotations

import socket
from pathlib import Path

from msgspec import Struct, field

from procession.agent.fence import Policy


def _state_home() -> str:
    return str(Path.home() / ".local" / "state" / "procession")


class AgentSettings(Struct, kw_only=True):
    """One agent's settings; `token` is a secret and appears in no child and no log."""

    server: str
    token: str
    agent_id: str = field(default_factory=socket.gethostname)
    state_dir: str = ""
    """Where its lock, spool and runs live; empty means ~/.local/state/procession/agent-<id>."""
    adb_path: str = ""
    """The adb program; empty means the one that comes with adbutils."""
    adb_port: int = 5037
    phones: list[str] = []
    """Serials to use; empty means every phone adb shows."""
    lanes_without_phone: list[str] = []
    """Lanes that need no device: each takes items under this phone id."""
    job_lanes: int = 0
    """How many jobs it runs at once beside its phones; 0 takes none."""
    job_modules: list[str] = []
    """Modules whose job types it knows besides the built-in and installed ones."""
    without_adb: bool = False
    """A worker: it has lanes for jobs only, and no phone."""
    fence: Policy = "reachable"
    outage_ms_max: int = 600_000
    memory_mb_max: int = 1024
    open_files_max: int = 1024
    battery_percent_min: int = 15
    temperature_c_max: float = 45.0
    storage_free_mb_min: int = 200
    probe_every_ms: int = 10_000
    probe_timeout_ms: int = 5_000
    drain_ms: int = 20_000
    """How long runs may go on after the first SIGTERM; then they are stopped."""

    def state_path(self) -> Path:
        return Path(self.state_dir or f"{_state_home()}/agent-{self.agent_id}")

    def job_lane_names(self) -> list[str]:
        """One for each lane for jobs; no phone is called so."""
        return [f"{self.agent_id}/job-{number}" for number in range(1, self.job_lanes + 1)]

    def __repr__(self) -> str:
        return f"AgentSettings(server={self.server!r}, agent_id={self.agent_id!r})"
