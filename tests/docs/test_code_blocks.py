"""Every Python and shell block of the documentation runs as it stands.

The blocks of a page run in order, in one folder that holds `speech.wav`, `other.flac` and a
checkpoint named `checkpoint`; the Python blocks share their names. A block that cannot run
here has `<!-- not run: reason -->` on the line before it.
"""

import shutil
from pathlib import Path

import pytest

from .pages import PAGES, ROOT, blocks_to_run, read_blocks, run_in_folder


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks_to_run(page)], ids=lambda page: page.stem
)
def test_the_code_of_a_page_runs(page: Path, checkpoint: Path, audio_folder: Path) -> None:
    shutil.copytree(checkpoint, audio_folder / "checkpoint")
    done = run_in_folder(page, audio_folder)
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}")


def test_the_readme_opens_with_the_two_commands() -> None:
    first = read_blocks(ROOT / "README.md")[0]
    commands = [line.split("#")[0].strip() for line in first.code.splitlines()]
    assert commands == ["make demo", "make test"]
