"""`verify` and `enroll`: pairs, known speakers, lists of trials."""

import json
import shutil
from pathlib import Path

import pytest

from wav2vec2_conformer.evaluation.verification import score_trials
from wav2vec2_conformer.inference.verifier import Verifier


@pytest.fixture
def model(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a threshold may be saved in."""
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def trials(clips: list[Path]) -> Path:
    path = clips[0].parent / "trials.txt"
    path.write_text("1 a.wav a.wav\n0 a.wav b.flac\n1 a.wav more/a.wav\n0 b.flac more/a.wav\n")
    return path


def test_two_files_are_compared(run, checkpoint, clips):
    expected = Verifier.from_pretrained(checkpoint, device="cpu").verify(*clips[:2])
    code, out, err = run("verify", *clips[:2], "-m", checkpoint)
    assert code == 0
    assert out == f"same speaker\tscore {expected.score:.4f}\tthreshold 0.9400\n"
    assert "no threshold was measured" in err
    code, out, err = run(
        "verify", *clips[:2], "-m", checkpoint, "--json", "--threshold", expected.score + 0.001
    )
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["score"] == pytest.approx(expected.score, abs=1e-6)
    assert answer["is_same_speaker"] is False


def test_known_speakers_are_found(run, checkpoint, clips, tmp_path):
    store = tmp_path / "speakers.safetensors"
    options = ("--store", store, "-m", checkpoint)
    assert run("enroll", "ann", clips[0], clips[2], *options)[0] == 0
    code, out, err = run("enroll", "bob", clips[1], *options)
    assert (code, out) == (0, "")
    assert err == f"bob: 1 clip; {store} holds 2 speakers\n"
    code, out, _ = run("verify", clips[1], *options, "--threshold", "0.5")
    assert code == 0
    assert out.split("\t")[:2] == [str(clips[1]), "bob"]
    code, out, _ = run("verify", clips[1], *options, "--threshold", "2", "--json")
    assert json.loads(out)["speaker"] is None
    assert next(iter(json.loads(out)["scores"])) == "bob"
    code, out, err = run("verify", clips[1], tmp_path / "no.wav", *options, "--threshold", "0.5")
    assert code == 3
    assert "no such file" in err
    assert "\tbob\t" in out


def test_a_known_name_is_added_to_or_replaced(run, checkpoint, clips, tmp_path):
    options = ("--store", tmp_path / "speakers.safetensors", "-m", checkpoint)
    assert run("enroll", "ann", clips[0], *options)[0] == 0
    code, _, err = run("enroll", "ann", clips[1], *options)
    assert code == 2
    assert "knows ann already" in " ".join(err.replace("│", " ").split())
    assert "ann: 2 clips" in run("enroll", "ann", clips[1], "--add", *options)[2]
    assert "ann: 1 clip;" in run("enroll", "ann", clips[1], "--replace", *options)[2]


def test_a_store_of_another_layer_is_refused(run, checkpoint, clips, tmp_path):
    store = tmp_path / "speakers.safetensors"
    assert run("enroll", "ann", clips[0], "--store", store, "-m", checkpoint)[0] == 0
    code, _, err = run("verify", clips[0], "--store", store, "-m", checkpoint, "--layer", "2")
    assert code == 1
    assert "another model or layer" in err


def test_a_list_of_trials_is_scored(run, checkpoint, trials, clips, tmp_path):
    verifier = Verifier.from_pretrained(checkpoint, device="cpu")
    pairs = [(clips[0], clips[0]), clips[:2], (clips[0], clips[2]), clips[1:]]
    scores = [verifier.verify(*pair).score for pair in pairs]
    expected = score_trials(scores, [True, False, True, False], threshold=0.94, p_target=0.1)
    code, out, _ = run(
        *("verify", "--trials", trials, "-m", checkpoint, "--json", "--p-target", "0.1"),
        *("--scores", tmp_path / "scores.txt"),
    )
    assert code == 0
    answer = json.loads(out)
    assert answer["num_clips"] == 3
    for name in ("eer", "min_dcf", "p_target", "num_targets", "miss_rate", "false_alarm_rate"):
        assert answer[name] == pytest.approx(getattr(expected, name), abs=1e-6)
    lines = (tmp_path / "scores.txt").read_text().splitlines()
    assert [float(line.split()[0]) for line in lines] == pytest.approx(scores, abs=2e-6)
    assert lines[1].split()[1:] == [str(clips[0]), str(clips[1])]


def test_a_threshold_is_kept_with_the_model(run, model, trials, clips):
    code, out, err = run("verify", "--trials", trials, "-m", model, "--save-threshold")
    assert code == 0
    assert "EER " in out
    assert "minDCF" in out
    assert "saved in" in err
    saved = json.loads((model / "verification.json").read_text())
    assert saved["layer"] == 1
    code, out, err = run("verify", *clips[:2], "-m", model)
    assert (code, err) == (0, "")
    assert f"threshold {saved['threshold']:.4f}" in out


def test_a_cohort_gives_a_threshold_of_its_own(run, model, trials, clips, tmp_path):
    cohort = tmp_path / "cohort.safetensors"
    for name, clip in zip("xyz", clips, strict=True):
        run("enroll", name, clip, "--store", cohort, "-m", model)
    run("verify", "--trials", trials, "-m", model, "--save-threshold")
    before = json.loads((model / "verification.json").read_text())
    options = ("--cohort", cohort, "-m", model)
    assert run("verify", "--trials", trials, *options, "--save-threshold")[0] == 0
    after = json.loads((model / "verification.json").read_text())
    assert after["threshold"] == before["threshold"]
    assert after["normalized_threshold"] is not None
    assert (
        f"threshold {after['normalized_threshold']:.4f}" in run("verify", *clips[:2], *options)[1]
    )


def test_trials_of_missing_clips_are_left_out(run, checkpoint, trials):
    trials.write_text(trials.read_text() + "1 a.wav missing.wav\n")
    code, out, err = run("verify", "--trials", trials, "-m", checkpoint)
    assert code == 3
    assert "2 of one speaker, 2 of two; 4 clips" in out
    assert "1 of 4 inputs failed" in err


def test_the_plot_is_drawn(run, checkpoint, trials, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, _ = run("verify", "--trials", trials, "-m", checkpoint, "--det", tmp_path / "det.png")
    assert code == 0
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("verify", "--trials", trials, "-m", checkpoint, "--det", tmp_path / "det.x")
    assert code == 1
    assert "must end in" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "name two files to compare, got 1"),
        (["a.wav", "b.wav", "c.wav"], "name two files to compare, got 3"),
        (["--store", "s"], "needs files"),
        (["a.wav", "--trials", "t"], "leave out FILES"),
        (["a.wav", "b.wav", "--det", "d.png"], "belong to --trials"),
        (["--trials", "t", "--save-threshold"], "name a folder"),
    ],
)
def test_wrong_usage(run, arguments, message):
    code, _, err = run("verify", *arguments)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())
