"""Every Python and shell block of the documentation runs as it stands.

The blocks of a page run in order, in one folder that holds `speech.wav`, `other.flac` and a
checkpoint named `checkpoint`; the Python blocks share their names. A block that cannot run
here has `<!-- not run: reason -->` on the line before it.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SHOWN_ONLY = {"text", "json", "jsonl"}
# Deprecation notices are left out: some concern what other packages do among themselves.
WARNINGS_ARE_ERRORS = ["-W", "error::UserWarning", "-W", "error::RuntimeWarning"]

FENCED_BLOCK = re.compile(
    r"(?P<not_run><!-- not run: \S.*? -->\s*\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    line: int


def blocks_to_run(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            language=match["language"].strip(),
            code=match["code"],
            line=text.count("\n", 0, match.start("code")) + 1,
        )
        for match in FENCED_BLOCK.finditer(text)
        if match["not_run"] is None and match["language"].strip() not in SHOWN_ONLY
    ]


def run_page(page: Path) -> None:
    """Run the blocks of a page in order, in the current folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_to_run(page):
        place = f"{page}:{block.line}"
        if block.language == "python":
            # Empty lines before the code make the line numbers of a traceback the page's.
            source = "\n" * (block.line - 1) + block.code
            exec(compile(source, str(page), "exec"), names)  # noqa: S102
        elif block.language == "bash":
            command = ["bash", "-euo", "pipefail", "-c", block.code]
            exit_code = subprocess.run(command, check=False).returncode
            if exit_code != 0:
                sys.exit(f"{place}: the shell block ended with {exit_code}")
        else:
            allowed = ", ".join(["python", "bash", *sorted(SHOWN_ONLY)])
            sys.exit(f"{place}: a block must be one of {allowed}, got {block.language!r}")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks_to_run(page)], ids=lambda page: page.stem
)
def test_the_code_of_a_page_runs(page: Path, checkpoint: Path, audio_folder: Path) -> None:
    shutil.copytree(checkpoint, audio_folder / "checkpoint")
    programs = Path(sys.executable).parent
    done = subprocess.run(
        # An interpreter of its own: what a page registers or patches ends with it.
        [sys.executable, *WARNINGS_ARE_ERRORS, __file__, str(page)],
        cwd=audio_folder,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}")


def test_the_readme_opens_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = FENCED_BLOCK.search(readme)
    assert first is not None
    commands = [line.split("#")[0].strip() for line in first["code"].splitlines()]
    assert commands == ["make demo", "make test"]


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
