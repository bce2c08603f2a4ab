"""Reading the folder of a run, finished or not."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.health.finding import EVENT_FILE, HealthEvent, read_events
from wav2vec2_conformer.training.recipe import RECIPE_FILE, read_recipe
from wav2vec2_conformer.training.report.examples import TextExample, read_examples

RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
STATE_FILE = "trainer_state.json"
FINAL_FOLDER = "final"
SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class TrainingRun:
    """What the folder of a run holds; what it lacks is empty.

    Attributes:
        folder: The folder.
        state: `trainer_state.json` with the most updates, without its log.
        history: Log lines in the order of their updates.
        recipe: `recipe.yaml`.
        record: `run.json`.
        config: `config.json` of the model.
        events: `health.jsonl`; None if no monitor watched the run.
        examples: `examples.json`.
    """

    folder: Path
    state: Mapping[str, Any]
    history: list[dict[str, Any]]
    recipe: Mapping[str, Any]
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    events: list[HealthEvent] | None
    examples: list[TextExample]

    @property
    def name(self) -> str:
        """Name of the folder, with that of the one it is in."""
        folder = self.folder.resolve()
        return f"{folder.parent.name}/{folder.name}"

    @property
    def task(self) -> str:
        """What is trained, "" if nothing says it."""
        if task := self.record.get("task") or self.recipe.get("task"):
            return str(task)
        architecture = "".join(self.config.get("architectures") or ())
        endings = {
            "ForCTC": "ctc",
            "ForPreTraining": "pretraining",
            "ForSequenceClassification": "classification",
            "ForAudioFrameClassification": "frame-classification",
            "ForXVector": "xvector",
        }
        return next((task for end, task in endings.items() if architecture.endswith(end)), "")

    @property
    def is_finished(self) -> bool:
        """Whether the run has written its final model."""
        return (self.folder / FINAL_FOLDER / "config.json").is_file()

    @property
    def num_updates(self) -> int:
        """Updates that the last checkpoint, log line or event tells of."""
        told = [line["step"] for line in self.history] + [e.step for e in self.events or ()]
        return max([int(self.state.get("global_step", 0)), *told])

    @property
    def audio_hours(self) -> float:
        """Hours of audio the model has been trained on, repetitions included; 0 if not known."""
        samples = [line.get("num_input_tokens_seen", 0) for line in self.history]
        samples.append(self.state.get("num_input_tokens_seen") or 0)
        return max(samples) / SAMPLE_RATE_HZ / 3600

    @property
    def training_s(self) -> float:
        """Seconds of training over all resumptions, 0 if not known."""
        clock = (self.state.get("stateful_callbacks") or {}).get("TrainingClock") or {}
        saved_s = float((clock.get("attributes") or {}).get("elapsed_s", 0.0))
        return max([saved_s, *(line.get("train_runtime", 0.0) for line in self.history)])

    def best_line(self) -> dict[str, Any] | None:
        """Return the evaluation with the best value of the metric the run was judged by."""
        lines = [line for line in self.history if is_evaluation(line)]
        metric = self.best_metric()
        if metric is None:
            return lines[-1] if lines else None
        scored = [line for line in lines if math.isfinite(line.get(metric, math.nan))]
        if not scored:
            return None
        sign = -1 if metric in GREATER_IS_BETTER else 1
        return min(scored, key=lambda line: sign * line[metric])

    def final_line(self) -> dict[str, Any] | None:
        """Return the evaluation of the final model: the best one if the run kept it."""
        if self.recipe.get("load_best_model_at_end"):
            return self.best_line()
        lines = [line for line in self.history if is_evaluation(line)]
        return lines[-1] if lines else None

    def best_metric(self) -> str | None:
        """Return which metric of the evaluations tells the quality, None without any."""
        known = {name for line in self.history for name in line}
        return next((name for name in BY_IMPORTANCE if name in known), None)


# Metrics of evaluations, what tells most first.
BY_IMPORTANCE = (
    "eval_wer",
    "eval_eer",
    "eval_frame_error_rate",
    "eval_accuracy",
    "eval_macro_f1",
    "eval_mean_absolute_error",
    "eval_contrastive_loss",
    "eval_loss",
)
GREATER_IS_BETTER = frozenset({"eval_macro_f1", "eval_accuracy"})


def is_evaluation(line: Mapping[str, Any]) -> bool:
    """Return whether a log line is that of an evaluation."""
    return any(name.startswith("eval_") for name in line)


def read_run(run_dir: str | Path) -> TrainingRun:
    """Read the folder of a run.

    Args:
        run_dir: `output_dir` of `finetune` or `pretrain`.

    Raises:
        InputError: It is no folder of a run.
    """
    folder = Path(run_dir)
    state, model_folder = _read_state(folder)
    files = (RUN_FILE, LOG_FILE, RECIPE_FILE, EVENT_FILE)
    if not state and not any((folder / name).is_file() for name in files):
        raise InputError(
            f"{folder}: no run of finetune or pretrain is in this folder: there is neither a "
            f"checkpoint-N with {STATE_FILE} nor any of {', '.join(files)}. Give the output_dir "
            "of a run"
        )
    recipe = folder / RECIPE_FILE
    final = folder / FINAL_FOLDER
    return TrainingRun(
        folder=folder,
        state={name: value for name, value in state.items() if name != "log_history"},
        history=_merge(state.get("log_history") or [], _read_lines(folder / LOG_FILE)),
        recipe=read_recipe(recipe) if recipe.is_file() else {},
        record=_read_json(folder / RUN_FILE),
        config=_read_json(final / "config.json") or _read_json(model_folder / "config.json"),
        events=read_events(folder) if (folder / EVENT_FILE).is_file() else None,
        examples=read_examples(folder),
    )


def _read_state(folder: Path) -> tuple[dict[str, Any], Path]:
    """Return the state with the most updates, and the folder that it is in."""
    places = [folder, *folder.glob("checkpoint-*"), folder / FINAL_FOLDER]
    states = [(state, place) for place in places if (state := _read_json(place / STATE_FILE))]
    return max(states, key=lambda pair: pair[0].get("global_step", 0), default=({}, folder))


def _merge(saved: list[dict[str, Any]], written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the log of a checkpoint and that of the run together; what was written last counts.

    A resumed run repeats the updates since its checkpoint.
    """
    merged: dict[tuple[int, bool, bool], dict[str, Any]] = {}
    for line in [*saved, *written]:
        # A step may have a line of training, one of evaluation, and a summary at the end.
        key = (int(line.get("step", 0)), is_evaluation(line), "train_loss" in line)
        merged[key] = line
    return [merged[key] for key in sorted(merged)]


def _read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, {} if there is none or a kill cut it short."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:  # the last line of a run that was killed
            continue
    return lines
