"""The page of a run: whole, offline, escaped, right for finished and unfinished runs."""

import json
import re
from html.parser import HTMLParser

import pytest

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.health.finding import HealthEvent, append_event
from wav2vec2_conformer.training.report.examples import (
    TextExample,
    Timeline,
    write_examples,
    write_hardest,
)
from wav2vec2_conformer.training.report.model_card import write_model_card
from wav2vec2_conformer.training.report.timeline_chart import draw_timeline
from wav2vec2_conformer.training.report.training_report import write_training_report


class Outline(HTMLParser):
    """Collects texts, tags and attributes; fails where tags do not match."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.tags = []
        self.texts = []
        self.values = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [value for _, value in attributes if value]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [value for _, value in attributes if value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def parse(path):
    outline = Outline()
    outline.feed(path.read_text(encoding="utf-8"))
    assert outline.open == []
    assert "script" not in outline.tags
    # Nothing is fetched: the only addresses are within the page.
    assert not [value for value in outline.values if "://" in value]
    return outline


def line(step, **values):
    return {"step": step, "epoch": step / 10, **values}


@pytest.fixture
def run_dir(tmp_path):
    """Return the folder of a run that was killed after its second checkpoint."""
    folder = tmp_path / "tiny"
    for step in (10, 20):
        history = []
        for s in range(5, step + 1, 5):
            samples = 16_000 * 3600 * s // 10
            history.append(
                line(
                    s,
                    loss=3.0 - s / 10,
                    grad_norm=1.0,
                    learning_rate=1e-4,
                    num_input_tokens_seen=samples,
                    train_runtime=s * 6.0,
                )
            )
        history.append(line(step, eval_loss=2.0, eval_wer=1.0 - step / 40, eval_runtime=3.0))
        state = {
            "global_step": step,
            "max_steps": 100,
            "num_input_tokens_seen": 16_000 * 3600 * step // 10,
            "log_history": history,
        }
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "trainer_state.json").write_text(json.dumps(state))
        config = {"architectures": ["Wav2Vec2ConformerForCTC"], "num_negatives": 100}
        (checkpoint / "config.json").write_text(json.dumps(config))
    return folder


def test_a_run_that_was_killed_has_its_curves_and_scores(run_dir):
    outline = parse(write_training_report(run_dir))
    assert "Training of" in outline.text
    assert "Speech recognition (CTC) · not finished: 20 of 100 updates so far" in outline.text
    assert "50.00 % best validation WER, at update 20" in outline.text
    assert "2.0 h of audio trained on" in outline.text
    assert "2 min of training, 60 times real time" in outline.text
    assert "This run had no health monitor." in outline.text
    for title in ("Loss", "Error rates", "Learning rate", "Gradient norm", "Speed"):
        assert title in outline.texts
    assert "Loss over updates: training from 2.5 to 1; validation from 2 to 2" in outline.values


def test_log_lines_after_the_last_checkpoint_count(run_dir):
    lines = [line(20, loss=7.0), line(25, loss=0.5), line(30, loss=0.25)]
    (run_dir / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 35, "lo')
    outline = parse(write_training_report(run_dir))
    assert "not finished: 30 of 100" in outline.text
    assert "0.25 last training loss" in outline.text


def test_health_settings_examples_and_machine_are_shown(run_dir, tmp_path):
    append_event(
        run_dir,
        HealthEvent(7, "t", 0, "warn", "all_blank", "it is silent", "this", "that", ("a.wav",)),
    )
    append_event(run_dir, HealthEvent(20, "t", 0, "stop", "equal_negatives", "w", "c", "r"))
    (run_dir / "recipe.yaml").write_text("task: ctc\nlearning_rate: 3e-4\nvalid: null\n")
    record = {
        "task": "ctc",
        "started": "2026-01-02T03:04:05+00:00",
        "parameters": 1234567,
        "machine": {"processor": "abacus", "cores": 2},
    }
    (run_dir / "run.json").write_text(json.dumps(record))
    write_examples(run_dir, ["THE CAT SAT"], ["THE BAT SAT DOWN"], ["a.wav"])
    output = tmp_path / "elsewhere" / "page.html"
    assert write_training_report(run_dir, output) == output
    outline = parse(output)
    assert "stopped by the health monitor after 20 of 100 updates" in outline.text
    assert "begun 2026-01-02 03:04 UTC" in outline.text
    assert "It is silent. Likely cause: This. What to do: That. 1 utterances" in outline.text
    assert "learning rate 0.0003" in outline.text
    assert "valid" not in outline.texts  # settings that are not set
    assert "1,234,567" in outline.text
    assert "abacus" in outline.text
    assert "2 errors in 3 words a.wav THE CAT BAT SAT DOWN" in outline.text
    assert "update 7: all_blank (warn)" in outline.texts


def test_hardest_results_are_a_table(run_dir):
    shown = [TextExample(f"right{k}", f"found{k}", f"{k}.wav", is_transcript=False) for k in (0, 1)]
    write_hardest(run_dir, [0.1, 0.9], shown.__getitem__)
    outline = parse(write_training_report(run_dir))
    assert "hardest first right the model's 1.wav right1 found1 0.wav right0" in outline.text


def test_who_speaks_when_is_drawn_above_who_was_found_to(run_dir):
    timeline = Timeline(
        10.0,
        (SpeakerTurn(0.0, 5.0, "anna"), SpeakerTurn(5.0, 10.0, "ben")),
        (SpeakerTurn(0.0, 7.5, "anna"),),
    )
    shown = TextExample("500 frames", "250 missed", "t.wav", is_transcript=False, timeline=timeline)
    write_hardest(run_dir, [1.0], lambda _: shown)
    outline = parse(write_training_report(run_dir))
    assert (
        "above: reference below: the model's most errors first t.wav 500 frames: 250 missed"
        in outline.text
    )
    for what in (
        "anna, reference: 5.0 s",
        "anna, the model's: 7.5 s",
        "ben, reference: 5.0 s",
        "10 s",
    ):
        assert what in outline.texts
    spoken = "anna speaks 5.0 s, found 7.5 s; ben speaks 5.0 s, found 0.0 s"
    assert f"Who speaks when in 10.0 s: {spoken}" in outline.values
    bars = [re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", value) for value in outline.values]
    right, found, other = (b for (b,) in (bar for bar in bars if bar))
    assert float(found[2]) == pytest.approx(1.5 * float(right[2]), abs=0.2)
    assert float(other[0]) == pytest.approx(float(right[0]) + float(right[2]), abs=0.2)
    assert float(right[1]) < float(found[1]) < float(other[1])


@pytest.mark.parametrize(
    ("duration_s", "last"), [(0.5, "0.4 s"), (110.0, "100 s"), (600.0, "10 min")]
)
def test_time_has_a_scale_and_nobody_speaking_is_said(duration_s, last):
    drawn = draw_timeline(Timeline(duration_s, (), ()))
    assert f">{last}</text>" in drawn
    assert ">nothing</text>" in drawn


def test_nothing_in_a_run_becomes_markup(run_dir):
    evil = "<script>alert(1)</script>'\"&"
    append_event(run_dir, HealthEvent(7, "t", 0, "warn", evil, evil, evil, evil, (evil,)))
    (run_dir / "recipe.yaml").write_text(json.dumps({"model": evil, evil: evil}))
    (run_dir / "run.json").write_text(json.dumps({"task": evil, "machine": {evil: evil}}))
    (run_dir / "log.jsonl").write_text(json.dumps(line(30, loss=1.0) | {evil: 3.0}))
    write_examples(run_dir, [evil], [evil + " x"], [evil])
    parse(write_training_report(run_dir))
    turns = (SpeakerTurn(0.0, 1.0, evil),)
    for timeline in (None, Timeline(1.0, turns, turns)):
        example = TextExample(evil, evil, evil, is_transcript=False, timeline=timeline)
        write_hardest(run_dir, [1.0], lambda _, shown=example: shown)
        parse(write_training_report(run_dir))


def test_numbers_that_are_not_finite_are_left_out(run_dir):
    lines = [line(25, loss=float("nan"), grad_norm=float("inf")), line(30, loss=0.5)]
    (run_dir / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    outline = parse(write_training_report(run_dir))
    assert "nan" not in "".join(value for value in outline.values if value.startswith("M"))
    assert "training from 2.5 to 0.5" in " ".join(outline.values)


def test_pretraining_shows_chance(run_dir):
    lines = [
        line(30, loss=1.0, contrastive_loss=4.5, accuracy=0.02, code_perplexity_1=30.0),
        line(40, loss=1.0, contrastive_loss=4.0, accuracy=0.10, code_perplexity_1=60.0),
    ]
    (run_dir / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (run_dir / "run.json").write_text('{"task": "pretraining"}')
    outline = parse(write_training_report(run_dir))
    assert "In nats. Dashed: guessing among 101, 4.615." in outline.texts
    assert "Dashed: guessing among 101, 1.0 %." in outline.texts
    assert "Code perplexity" in outline.texts


def test_a_run_without_a_checkpoint_yet_has_a_page(tmp_path):
    (tmp_path / "health.jsonl").touch()
    outline = parse(write_training_report(tmp_path))
    assert "not finished: 0 updates so far" in outline.text
    assert "The health monitor has found nothing." in outline.text
    assert "There is no log line yet" in outline.text


def test_a_folder_without_a_run_is_explained(tmp_path):
    with pytest.raises(InputError, match="no run of finetune or pretrain is in this folder"):
        write_training_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_card_waits_for_the_model(run_dir):
    with pytest.raises(InputError, match="has no final model yet"):
        write_model_card(run_dir)
