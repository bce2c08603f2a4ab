"""Manifests are read line by line, and errors name file and line."""

import json

import pytest

from wav2vec2_conformer.data.manifest import Utterance, format_manifest, read_manifest
from wav2vec2_conformer.errors import ManifestError

GOOD = {"audio_filepath": "a.wav", "duration": 1.5, "text": "HELLO", "speaker": 19}


def write_manifest(folder, *lines):
    (folder / "a.wav").touch()
    path = folder / "m.jsonl"
    path.write_text(
        "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines), encoding="utf-8"
    )
    return path


def without(key):
    return {k: v for k, v in GOOD.items() if k != key}


def test_paths_are_relative_to_the_manifest_or_absolute(tmp_path):
    absolute = GOOD | {"audio_filepath": str(tmp_path / "a.wav")}
    manifest = write_manifest(tmp_path, without("speaker"), "", absolute)
    assert read_manifest(manifest) == [
        Utterance(tmp_path / "a.wav", 1.5, "HELLO", None),
        Utterance(tmp_path / "a.wav", 1.5, "HELLO", "19"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "expected a JSON object .* got list"),
        (without("text"), "the key text is missing"),
        (without("duration"), "the key duration is missing"),
        (without("audio_filepath"), "the key audio_filepath is missing"),
        (GOOD | {"duration": 0}, "positive number of seconds, got 0"),
        (GOOD | {"duration": "3"}, "positive number of seconds, got '3'"),
        (GOOD | {"duration": True}, "positive number of seconds, got True"),
        ('{"audio_filepath": "a.wav", "duration": NaN, "text": ""}', "got nan"),
        (GOOD | {"text": None}, "text must be a string, got None"),
    ],
)
def test_bad_line_is_named(tmp_path, line, message):
    manifest = write_manifest(tmp_path, GOOD, line)
    with pytest.raises(ManifestError, match=rf"m\.jsonl, line 2: .*{message}"):
        read_manifest(manifest)


def test_empty_manifest_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="the manifest is empty"):
        read_manifest(write_manifest(tmp_path, ""))


def test_missing_manifest_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="there is no such manifest"):
        read_manifest(tmp_path / "none.jsonl")


def test_binary_manifest_is_refused(tmp_path):
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read as UTF-8"):
        read_manifest(path)


def test_missing_audio_is_counted_and_the_first_are_listed(tmp_path):
    lines = [GOOD | {"audio_filepath": f"{i}.wav"} for i in range(7)]
    with pytest.raises(
        ManifestError, match=r"7 audio files are missing: .*0\.wav.*4\.wav, \.\.\."
    ) as e:
        read_manifest(write_manifest(tmp_path, *lines))
    assert "5.wav" not in str(e.value)


def test_offset_label_and_other_keys_are_kept(tmp_path):
    entry = GOOD | {"offset": 0, "label": 3, "lang": "en"}
    (utterance,) = read_manifest(write_manifest(tmp_path, entry))
    assert (utterance.offset_s, utterance.label, utterance.extra) == (0.0, "3", {"lang": "en"})
    with pytest.raises(ManifestError, match=r"line 1: offset must be .* 0 or more, got -1"):
        read_manifest(write_manifest(tmp_path, GOOD | {"offset": -1}))


def test_text_and_duration_may_be_missing_where_allowed(tmp_path):
    manifest = write_manifest(tmp_path, {"audio_filepath": "a.wav", "label": "yes"})
    with pytest.raises(ManifestError, match="the key duration is missing"):
        read_manifest(manifest)
    (utterance,) = read_manifest(manifest, needs_text=False, needs_duration=False)
    assert (utterance.text, utterance.duration_s, utterance.label) == ("", 0.0, "yes")


def test_written_manifest_is_read_back(tmp_path):
    utterances = [
        Utterance(tmp_path / "a.wav", 1.25, "\u00e9 \u2028", "s", 0.5, "yes", {"lang": "fr"}),
        Utterance(tmp_path.parent / "b.wav", 2.0, ""),
    ]
    path = tmp_path / "m.jsonl"
    path.write_text(format_manifest(utterances, tmp_path), encoding="utf-8")
    assert '"audio_filepath": "a.wav"' in path.read_text(encoding="utf-8")
    assert read_manifest(path, check_files=False, allows_parts=True) == utterances


def test_parts_of_files_are_refused_where_only_whole_files_are_read(tmp_path):
    manifest = write_manifest(tmp_path, GOOD | {"offset": 1.5})
    with pytest.raises(ManifestError, match="parts of files"):
        read_manifest(manifest)
    assert read_manifest(manifest, allows_parts=True)[0].offset_s == 1.5
