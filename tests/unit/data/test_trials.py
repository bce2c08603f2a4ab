from pathlib import Path

import pytest

from wav2vec2_conformer.data.trials import Trial, read_trials
from wav2vec2_conformer.errors import ManifestError


def test_paths_start_from_the_lists_folder_or_the_one_named(tmp_path: Path) -> None:
    path = tmp_path / "trials.txt"
    path.write_text("1 id1/a.wav id1/b.wav\n\n0 id1/a.wav id2/c.wav\n")
    assert read_trials(path) == [
        Trial(is_target=True, first=tmp_path / "id1/a.wav", second=tmp_path / "id1/b.wav"),
        Trial(is_target=False, first=tmp_path / "id1/a.wav", second=tmp_path / "id2/c.wav"),
    ]
    assert read_trials(path, Path("wav"))[0].second == Path("wav/id1/b.wav")


def test_tabs_allow_spaces_in_paths(tmp_path: Path) -> None:
    path = tmp_path / "trials.txt"
    path.write_text("0\tmy clip.wav\tb.wav\n")
    assert read_trials(path)[0].first == tmp_path / "my clip.wav"


@pytest.mark.parametrize(
    "line", ["2 a.wav b.wav", "1 a.wav", "1 a.wav b.wav c.wav", "a.wav b.wav 1", "1\t\tb.wav"]
)
def test_a_line_that_is_no_trial_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trials.txt"
    path.write_text(f"1 a.wav b.wav\n{line}\n")
    with pytest.raises(ManifestError, match=r"trials.txt, line 2: expected 1"):
        read_trials(path)


def test_an_empty_or_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        read_trials(tmp_path / "trials.txt")
    (tmp_path / "trials.txt").write_text("\n")
    with pytest.raises(ManifestError, match="holds no trial"):
        read_trials(tmp_path / "trials.txt")
