"""`python -m procession.simulator`: phones made of software, until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from procession.simulator.fleet import AdbRefused
from procession.simulator.serve import serve

INTERRUPTED = 130


def main() -> int:
    """Read the options, serve; returns the exit status."""
    options = _options().parse_args()
    adb_path = None
    if options.connect:
        adb_path = options.adb or _bundled_adb()
    try:
        asyncio.run(
            serve(
                options.phones,
                _say,
                first_port=options.port,
                control_port=options.control_port,
                adb_path=adb_path,
                adb_port=options.adb_port,
                as_json=options.json,
            )
        )
    except (AdbRefused, OSError, ValueError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m procession.simulator", description=__doc__)
    adb_port = int(os.environ.get("ANDROID_ADB_SERVER_PORT", "5037"))
    parser.add_argument("--phones", type=int, default=1, help="how many phones")
    parser.add_argument("--port", type=int, default=0, help="the first phone's port; 0: any")
    parser.add_argument("--control-port", type=int, default=0, help="port for faults; 0: any")
    parser.add_argument("--connect", action="store_true", help="connect adb to every phone")
    parser.add_argument("--adb", help="adb program for --connect; else the one of adbutils")
    parser.add_argument("--adb-port", type=int, default=adb_port, help="adb server's port")
    parser.add_argument("--json", action="store_true", help="say where they are as one JSON line")
    return parser


def _bundled_adb() -> str:
    import adbutils

    return str(adbutils.adb_path())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
