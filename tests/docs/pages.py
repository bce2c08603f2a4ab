"""The blocks of a page of the documentation: found, run, and what they print.

A block that cannot run has `<!-- not run: reason -->` on the line before it; where the reason is
"needs the speech" it runs where there is speech. What a block prints may be shown in a `text`,
`json` or `jsonl` block directly after it.

As a program, it runs one page in the current folder and writes what each block printed:

    python tests/docs/pages.py PAGE PRINTED.json [--with-speech] [--until LINE]
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SHOWN_ONLY = {"text", "json", "jsonl"}
# Deprecation notices are left out: some concern what other packages do among themselves.
NEEDS_SPEECH = "needs the speech"
WARNINGS_ARE_ERRORS = ["-W", "error::UserWarning", "-W", "error::RuntimeWarning"]

FENCED_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<not_run>\S.*?) -->\s*\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: After the fence.
        code: Between the fences.
        line: Of the page, where the code begins.
        start: Character of the page, where the code begins.
        not_run: Reason not to run it; None where there is none.
    """

    language: str
    code: str
    line: int
    start: int
    not_run: str | None

    def is_run(self, *, with_speech: bool) -> bool:
        """Return whether the block is run, where there is speech or not."""
        if self.language in SHOWN_ONLY:
            return False
        return self.not_run is None or (with_speech and self.not_run == NEEDS_SPEECH)


def read_blocks(page: Path) -> list[Block]:
    """Return all fenced blocks of a page, those that are only shown too."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            language=match["language"].strip(),
            code=match["code"],
            line=text.count("\n", 0, match.start("code")) + 1,
            start=match.start("code"),
            not_run=match["not_run"],
        )
        for match in FENCED_BLOCK.finditer(text)
    ]


def blocks_to_run(page: Path, *, with_speech: bool = False) -> list[Block]:
    """Return the blocks of a page that are run, in order."""
    return [block for block in read_blocks(page) if block.is_run(with_speech=with_speech)]


def run_in_folder(
    page: Path, folder: Path, *, with_speech: bool = False, until: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a page in an interpreter of its own: what it registers or patches ends with it.

    `printed.json` in the folder then holds what each block printed, by its line.

    Args:
        page: To run, as a path that does not depend on the current folder.
        folder: To run it in.
        with_speech: Also run blocks that need speech.
        until: Line of the last block to run; all by default.
    """
    programs = Path(sys.executable).parent
    flags = ["--with-speech"] * with_speech + ([] if until is None else ["--until", str(until)])
    return subprocess.run(
        [sys.executable, *WARNINGS_ARE_ERRORS, __file__, str(page), "printed.json", *flags],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def run_page(page: Path, *, with_speech: bool, until: float) -> dict[int, str]:
    """Run the blocks of a page in order, in the current folder; return what each printed."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = {}
    for block in blocks_to_run(page, with_speech=with_speech):
        if block.line > until:
            break
        place = f"{page}:{block.line}"
        with keeping_stdout() as kept:
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
        printed[block.line] = "".join(kept)
    return printed


@contextlib.contextmanager
def keeping_stdout() -> Iterator[list[str]]:
    """Keep what this process and its children print in a list, then print it after all."""
    kept: list[str] = []
    sys.stdout.flush()
    stdout = os.dup(1)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        try:
            yield kept
        finally:
            sys.stdout.flush()
            os.dup2(stdout, 1)
            os.close(stdout)
            file.seek(0)
            kept.append(file.read().decode("utf-8", errors="replace"))
            sys.stdout.write(kept[0])


def main() -> None:
    """Run a page."""
    parser = argparse.ArgumentParser(description="Run the blocks of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("printed", type=Path)
    parser.add_argument("--with-speech", action="store_true")
    parser.add_argument("--until", type=float, default=float("inf"))
    args = parser.parse_args()
    printed = run_page(args.page, with_speech=args.with_speech, until=args.until)
    args.printed.write_text(json.dumps(printed), encoding="utf-8")


if __name__ == "__main__":
    main()
