"""A checkpoint that cannot be there is named before anything is loaded."""

from pathlib import Path

import pytest

from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.training.finetuning import finetune
from wav2vec2_conformer.training.settings import FinetuneSettings


def test_a_folder_and_a_name_on_the_hub_are_taken(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert locate_checkpoint(tmp_path) == tmp_path
    assert locate_checkpoint("owner/name") == "owner/name"


def test_a_run_stands_for_its_final_model(tmp_path: Path) -> None:
    final = tmp_path / "final"
    final.mkdir()
    (final / "config.json").write_text("{}")
    assert locate_checkpoint(tmp_path) == final
    assert locate_checkpoint(str(tmp_path)) == final
    (tmp_path / "config.json").write_text("{}")  # a model of its own
    assert locate_checkpoint(tmp_path) == tmp_path


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        locate_checkpoint("runs/of/mine")
    with pytest.raises(CheckpointError, match=r"no config\.json.* a training run that has ended"):
        locate_checkpoint(tmp_path)
    (tmp_path / "LL_rope_PT_960h_FT.pt").touch()
    with pytest.raises(CheckpointError, match=r"is a file.*convert .*960h_FT\.pt FOLDER"):
        locate_checkpoint(tmp_path / "LL_rope_PT_960h_FT.pt")


def test_a_folder_without_a_processor_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="processor"):
        load_processor(tmp_path)


def test_training_from_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        finetune(
            FinetuneSettings(
                train=(Path("a.jsonl"),),
                model="runs/of/mine",
                output_dir=tmp_path / "run",
                max_steps=1,
                report_to="none",
            )
        )
