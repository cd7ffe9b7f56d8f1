"""Where an agent under test lives, and the capabilities that misbehave for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PLUGINS = Path(__file__).parent / "plugins"
sys.path.insert(0, str(PLUGINS))
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
)
