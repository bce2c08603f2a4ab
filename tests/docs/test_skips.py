"""In CI a skipped test is a failure: a missing dependency must not look like a pass."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPPED_AT_RUN_TIME = """
import pytest
def test_something():
    pytest.skip("not here")
"""
ALLOWED = """
import pytest
@pytest.mark.may_skip
def test_something():
    pytest.skip("needs another processor")
"""
SKIPPED_AS_A_MODULE = """
import pytest
pytest.importorskip("a_package_that_nobody_has")
"""


def exit_code_of_pytest(folder: Path, test_module: str, *, ci: str) -> int:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_module.py").write_text(test_module)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = may_skip\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(
        command, env={**os.environ, "CI": ci}, capture_output=True, check=False, cwd=folder
    ).returncode


@pytest.mark.parametrize("test_module", [SKIPPED_AT_RUN_TIME, SKIPPED_AS_A_MODULE])
def test_a_skip_fails_in_ci(tmp_path: Path, test_module: str) -> None:
    code = exit_code_of_pytest(tmp_path, test_module, ci="true")
    assert code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}


def test_an_allowed_skip_passes_in_ci(tmp_path: Path) -> None:
    assert exit_code_of_pytest(tmp_path, ALLOWED, ci="true") == pytest.ExitCode.OK


def test_a_skip_passes_elsewhere(tmp_path: Path) -> None:
    assert exit_code_of_pytest(tmp_path, SKIPPED_AT_RUN_TIME, ci="") == pytest.ExitCode.OK
