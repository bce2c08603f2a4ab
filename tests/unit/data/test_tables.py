"""CSV, Common Voice and LJSpeech tables."""

import pytest

from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.data.reading import read_utterances
from wav2vec2_conformer.errors import ManifestError


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_are_found_by_their_names(tmp_path, make_clip, delimiter):
    clip = make_clip(tmp_path / "c" / "a.wav")
    path = tmp_path / ("t.tsv" if delimiter == "\t" else "t.csv")
    rows = [
        ["wav", "wrd", "spk_id", "duration", "start", "accent"],
        ["c/a.wav", '"say ""hi"""', "s1", "0.25", "0.5", "us"],
        [str(clip), "bye", "", "", "", ""],
    ]
    path.write_text("\n".join(delimiter.join(row) for row in rows) + "\n")
    assert read_utterances(path) == [
        Utterance(clip, 0.25, 'say "hi"', "s1", 0.5, extra={"accent": "us"}),
        Utterance(clip, 1.0, "bye"),
    ]


def test_common_voice_reads_clips_and_bare_quotation_marks(tmp_path, make_clip):
    clip = make_clip(tmp_path / "clips" / "1.flac", 0.5)
    path = tmp_path / "train.tsv"
    path.write_text(
        'client_id\tpath\tsentence\tup_votes\nabc\t1.flac\t"Yes, he said.\t2\n', encoding="utf-8"
    )
    expected = [Utterance(clip, 0.5, '"Yes, he said.', "abc", extra={"up_votes": "2"})]
    assert read_utterances(path) == expected
    path.write_text("client_id\tpath\tsentence\nabc\t../../1.flac\tYes\n")
    with pytest.raises(ManifestError, match="line 2: an audio path of this format must lie"):
        read_utterances(path)


def test_ljspeech_takes_the_normalized_text(tmp_path, make_clip):
    clips = [make_clip(tmp_path / "wavs" / f"LJ1-{i}.wav", 0.5, 22_050) for i in (1, 2)]
    (tmp_path / "metadata.csv").write_text('LJ1-1|In 1455 "he|In fourteen "he\nLJ1-2|Yes.|\n')
    expected = [Utterance(clips[0], 0.5, 'In fourteen "he'), Utterance(clips[1], 0.5, "Yes.")]
    assert read_utterances(tmp_path) == expected
    assert read_utterances(tmp_path / "metadata.csv") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,text\na.wav,x\n", "no column names the audio; expected one of .* got name, text"),
        ("path,text\na.wav\n", r"row 2: expected 2 fields, got 1"),
        ("path,duration\na.wav,long\n", "row 2: duration must be seconds, got 'long'"),
        ("path,duration\na.wav,-1\n", r"duration must be a positive number .* got -1\.0"),
        ("path,text\n", "the data set holds no utterance"),
        ("\n", "the table is empty"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_utterances(path)
