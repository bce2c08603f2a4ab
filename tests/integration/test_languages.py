"""One checkpoint with two languages, from the command line and in one process."""

import pytest
import torch
from typer.testing import CliRunner

from wav2vec2_conformer.checkpoints.adapters import build_language_processor, save_adapter
from wav2vec2_conformer.cli.main import app
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.text.vocabulary import build_vocabulary, write_processor

LETTERS = {"ara": "السلام", "eng": "peace"}


@pytest.fixture
def folder(tiny_config_kwargs, tmp_path):
    vocabularies = {language: build_vocabulary([text]) for language, text in LETTERS.items()}
    folder = tmp_path / "languages"
    for language, vocabulary in vocabularies.items():
        config = {"vocab_size": len(vocabulary), "adapter_attn_dim": 4}
        torch.manual_seed(0)
        model = Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**tiny_config_kwargs | config))
        with torch.no_grad():
            model.lm_head.bias[:3] = -100.0  # neither blank nor unknown nor word delimiter
        model.save_pretrained(folder)
        save_adapter(model, folder, language)
    write_processor(build_language_processor(vocabularies, "eng"), folder)
    return folder


@pytest.fixture
def audio(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "noise.wav", torch.randn(16_000).numpy() * 0.1, 16_000)
    return tmp_path / "noise.wav"


@pytest.mark.parametrize("language", ["ara", "eng"])
def test_command_transcribes_in_the_language_asked_for(folder, audio, language):
    result = CliRunner().invoke(
        app, ["transcribe", "-m", str(folder), "--target-lang", language, str(audio)]
    )
    assert result.exit_code == 0, result.output
    letters = set(result.stdout.strip())
    assert letters
    assert letters <= set(LETTERS[language])


def test_command_names_the_languages_there_are(folder, audio):
    result = CliRunner().invoke(
        app, ["transcribe", "-m", str(folder), "--target-lang", "fra", str(audio)]
    )
    assert isinstance(result.exception, CheckpointError)
    assert "its languages are ara, eng" in str(result.exception)


def test_transcriber_changes_language_on_the_same_base(folder, audio):
    alone = {
        language: Transcriber.from_pretrained(folder, target_lang=language).transcribe(audio).text
        for language in LETTERS
    }
    transcriber = Transcriber.from_pretrained(folder, target_lang="eng")
    base = transcriber.model.wav2vec2_conformer
    for language in ("ara", "eng", "ara"):
        transcriber.set_language(language)
        assert transcriber.transcribe(audio).text == alone[language]
        assert set(transcriber.vocabulary) >= set(LETTERS[language])
    assert transcriber.model.wav2vec2_conformer is base
    assert alone["ara"] != alone["eng"]
