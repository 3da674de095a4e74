"""Print or run the code blocks of README.md, so that what it says cannot drift from what works.

``readme.py print NAME`` prints the block under the comment ``<!-- NAME -->``;
``readme.py run FOLDER`` runs every other block, in order, in FOLDER (shell blocks with the environment's commands).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(?:<!-- (?P<name>[\w-]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)


def blocks() -> list[tuple[str | None, str, str]]:
    """Name, language and text of every fenced block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(m["name"], m["language"], m["code"]) for m in BLOCK.finditer(text)]


def run(folder: Path) -> None:
    """Run every unnamed shell and Python block in ``folder``."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for name, language, code in blocks():
        if name is not None or language == "text":
            continue
        command = {"bash": ["bash", "-euo", "pipefail", "-c", code], "python": [sys.executable, "-c", code]}
        if language not in command:
            sys.exit(f"README.md has a block in {language!r}, which nothing runs")
        print(f"--- README block ({language})\n{code}", flush=True)
        subprocess.run(command[language], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "print":
        found = [code for name, _, code in blocks() if name == sys.argv[2]]
        if len(found) != 1:
            sys.exit(f"README.md has {len(found)} blocks named {sys.argv[2]!r}, one is needed")
        print(found[0])
    else:
        run(Path(sys.argv[2]))
