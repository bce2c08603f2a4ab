"""Int8 on the command line: convert, transcribe, and what is said about it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from wav2vec2_conformer.nn.int8_linear import has_int8_products

from .conftest import Command


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Commands set up the logger of a process of their own; other tests share this one."""
    yield
    logger = logging.getLogger("wav2vec2_conformer.inference.compute_type")
    logger.propagate = True
    logger.handlers.clear()


needs_int8 = pytest.mark.skipif(not has_int8_products(), reason="no int8 products here")


@pytest.mark.may_skip
@needs_int8
def test_int8_in_memory_and_from_an_int8_folder_give_one_text(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "int8"
    code, out, err = run("convert", checkpoint, folder, "--compute-type", "int8")
    assert (code, out) == (0, f"{folder}\n"), err
    assert "transformers cannot read it" in err
    assert "outputs differ by at most 0" in err
    texts = [
        run("transcribe", "-m", model, "--compute-type", "int8", clips[0])
        for model in (checkpoint, folder)
    ]
    assert texts[0] == texts[1]
    assert texts[0][0] == 0
    assert run("transcribe", "-m", folder, clips[0])[0] == 0  # turned back into float32
    back = tmp_path / "back"
    assert run("convert", folder, back)[0] == 0
    assert (back / "model.safetensors").is_file()
    assert "stored_weights" not in json.loads((back / "config.json").read_text())


def test_auto_tells_its_choice_once_and_other_types_are_silent(
    run: Command, checkpoint: Path, clips: list[Path]
) -> None:
    code, _, err = run("transcribe", "-m", checkpoint, "-q", "--compute-type", "auto", clips[0])
    assert code == 0
    assert err.count("compute type: ") == 1
    code, _, err = run("transcribe", "-m", checkpoint, "-q", clips[0])
    assert (code, err) == (0, "")


def test_types_that_do_not_exist_are_usage_errors(
    run: Command, checkpoint: Path, clips: list[Path], tmp_path: Path
) -> None:
    code, _, err = run("transcribe", "-m", checkpoint, "--compute-type", "int3", clips[0])
    assert code == 2
    assert "int8" in err
    code, _, err = run(
        "convert", checkpoint, tmp_path / "x.pt", "--to", "fairseq", "--compute-type", "int8"
    )
    assert code == 2
    assert "--to transformers alone" in err
