"""What tests of webhooks and of whole installations share is used here too."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("webhooks", "e2e"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
