"""Folders that say by their structure what the audio is."""

import json

import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError


def test_librispeech_tree_from_any_folder_above(tmp_path, make_clip):
    chapter = tmp_path / "LibriSpeech" / "dev" / "84" / "1215"
    clip = make_clip(chapter / "84-1215-0000.flac", 0.5)
    (chapter / "84-1215.trans.txt").write_text("84-1215-0000 GO DO YOU HEAR\n")
    expected = [Utterance(clip, 0.5, "GO DO YOU HEAR", "84", extra={"id": "84-1215-0000"})]
    assert read_utterances(tmp_path) == expected
    clip.unlink()
    with pytest.raises(ManifestError, match=r"line 1: .* holds no audio 84-1215-0000"):
        read_utterances(tmp_path)


def test_folder_names_are_labels(tmp_path, make_clip):
    clips = [make_clip(tmp_path / "train" / name / "x.wav", 0.5) for name in ("no", "yes")]
    assert read_utterances(tmp_path) == [
        Utterance(clips[0], 0.5, "", label="no"),
        Utterance(clips[1], 0.5, "", label="yes"),
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_of_an_audiofolder(tmp_path, make_clip, kind):
    clip = make_clip(tmp_path / "train" / "data" / "1.wav", 0.5)
    metadata = tmp_path / "train" / f"metadata.{kind}"

    def write(file_name):
        row = {"file_name": file_name, "transcription": "hi", "speaker_id": "s", "mic": "far"}
        if kind == "csv":
            metadata.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
        else:
            metadata.write_text(json.dumps(row) + "\n\n")

    write("data/1.wav")
    expected = [Utterance(clip, 0.5, "hi", "s", extra={"mic": "far"})]
    assert read_utterances(tmp_path) == expected
    assert read_utterances(metadata) == expected
    write("../../1.wav")
    with pytest.raises(ManifestError, match="an audio path of this format must lie inside"):
        read_utterances(tmp_path)


def test_unknown_folders_and_files_are_refused_with_advice(tmp_path, make_clip):
    with pytest.raises(ManifestError, match=r"no known format. Known: NeMo JSON Lines, lhotse"):
        read_utterances(tmp_path)
    make_clip(tmp_path / "a.wav")
    with pytest.raises(ManifestError, match="have no text and no label"):
        read_utterances(tmp_path)
    (tmp_path / "dev.tsv").touch()
    with pytest.raises(ManifestError, match=r"Name one of its files: dev\.tsv"):
        read_utterances(tmp_path)
    with pytest.raises(ManifestError, match=r"a\.wav: the file is of no known format"):
        read_utterances(tmp_path / "a.wav")
    with pytest.raises(ManifestError, match="there is no such file or folder"):
        read_utterances(tmp_path / "none")
