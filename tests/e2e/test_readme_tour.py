"""The README's tour is run as printed, on a whole installation, and says what is printed there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from world import TOKEN, World

README = Path(__file__).parents[2] / "README.md"
STEP_S_MAX = 60
CHANGING = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
    (r"phone_\d\d", "PHONE"),
    (r"http://127\.0\.0\.1:\d+/[^\"]*", "RECEIVER"),
    (r'"version":\d+', '"version":N'),
    (r'"percent":[\d.]+', '"percent":N'),
    (r"slept [\d.]+ of", "slept N of"),
]


def tour() -> list[tuple[str, str]]:
    """Each command of the tour with what the README prints below it."""
    text = README.read_text(encoding="utf-8")
    text = text[text.index("## A tour with curl") : text.index("## Without the demo")]
    blocks = re.findall(r"```(bash|json|text)\n(.*?)```", text, re.DOTALL)
    steps: list[tuple[str, str]] = []
    for kind, content in blocks:
        if kind == "bash":
            steps.append((content, ""))
        else:
            steps[-1] = (steps[-1][0], content)
    return steps


def steady(output: str) -> str:
    """The output without what differs from run to run."""
    for pattern, word in CHANGING:
        output = re.sub(pattern, word, output)
    return output.strip()


def test_the_tour_says_what_the_readme_prints(calm: World) -> None:
    steps = tour()
    script = "\n".join(f"{command}\necho; echo '----'" for command, _ in steps)
    environment = os.environ | {
        "SERVER": calm.url,
        "TOKEN": TOKEN,
        "RECEIVER": calm.receiver.url,
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=STEP_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [steady(part) for part in done.stdout.split("----\n")[:-1]]
    assert said == [steady(printed) for _, printed in steps]
