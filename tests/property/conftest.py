"""What properties of several runs share."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def resume_elsewhere() -> Callable[[str, Path, int], None]:
    """Go on with data workers by the command, in a process of its own.

    Workers forked from the tests' own process, after thousands of other tests in it, took it down
    now and then; why is not known. The recipe is that of the run beside it, `whole`.
    """

    def resume(command: str, folder: Path, num_workers: int) -> None:
        program = [sys.executable, "-c", "from wav2vec2_conformer.cli.main import run; run()"]
        recipe = folder.with_name("whole") / "recipe.yaml"
        flags = ["--output-dir", folder, "--num-workers", num_workers, "--resume"]
        arguments = map(str, (command, "--recipe", recipe, *flags))
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return resume
