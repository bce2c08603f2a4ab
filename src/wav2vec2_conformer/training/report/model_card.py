"""The card of a trained model: README.md beside its weights."""

from pathlib import Path
from typing import Any

import yaml

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.report.metrics import format_metric, label_metric, metrics_of
from wav2vec2_conformer.training.report.page import format_duration
from wav2vec2_conformer.training.report.run_folder import FINAL_FOLDER, TrainingRun, read_run

CARD_FILE = "README.md"
_PIPELINES = {
    "ctc": "automatic-speech-recognition",
    "classification": "audio-classification",
    "frame-classification": "voice-activity-detection",
    "xvector": "feature-extraction",
    "pretraining": "feature-extraction",
}
_ABOUT = {
    "ctc": "transcribes speech",
    "classification": "classifies recordings",
    "frame-classification": "judges each frame of a recording",
    "xvector": "gives an embedding of the speaker of a recording",
    "pretraining": "is a pre-trained encoder, to be fine-tuned",
}
_COMMANDS = {
    "ctc": "wav2vec2-conformer transcribe -m FOLDER speech.wav",
    "classification": "wav2vec2-conformer classify -m FOLDER speech.wav",
    "frame-classification": "wav2vec2-conformer diarize -m FOLDER speech.wav",
    "xvector": "wav2vec2-conformer embed -m FOLDER speech.wav",
    "pretraining": "wav2vec2-conformer finetune -m FOLDER --train train.jsonl -o run",
}


_BEFORE_PUBLISHING = """## Before publishing

This card was written from the folder of the run. Add the licence (it depends on the training
data and the starting model), the language, where the speech comes from, and for what the model
should not be used.
"""


def write_model_card(run_dir: str | Path) -> Path:
    """Write `README.md` into the folder of a run's final model.

    Args:
        run_dir: `output_dir` of `finetune` or `pretrain`.

    Returns:
        The file.

    Raises:
        InputError: There is no run in the folder, or it has no final model yet.
    """
    run = read_run(run_dir)
    if not run.is_finished:
        raise InputError(
            f"{run.folder}: the run has no final model yet, so there is nothing to write a card "
            "for. Let it finish (--resume)"
        )
    path = run.folder / FINAL_FOLDER / CARD_FILE
    with write_whole(path) as temporary:
        temporary.write_text(render_card(run), encoding="utf-8")
    return path


def render_card(run: TrainingRun) -> str:
    """Return the card of a run's model as Markdown with a YAML header.

    Nothing in it names a path of the machine.

    Args:
        run: From `read_run`.
    """
    header = yaml.safe_dump(_header(run), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{header}---\n",
        f"# {run.folder.resolve().name}\n",
        f"A Wav2Vec2-Conformer that {_ABOUT.get(run.task, 'was trained on speech')}.\n",
        _scores(run),
        _training(run),
        _use(run),
        _BEFORE_PUBLISHING,
    ]
    return "\n".join(part for part in parts if part)


def _header(run: TrainingRun) -> dict[str, Any]:
    header: dict[str, Any] = {"library_name": "wav2vec2-conformer"}
    if run.task in _PIPELINES:
        header["pipeline_tag"] = _PIPELINES[run.task]
    header["tags"] = ["wav2vec2-conformer", "speech"]
    if base := _public_name(run.recipe.get("model")):
        header["base_model"] = base
    final = run.final_line()
    if final is not None:
        header["model-index"] = [
            {
                "name": run.folder.resolve().name,
                "results": [
                    {
                        "task": {"type": _PIPELINES.get(run.task, "audio")},
                        "dataset": {"type": "local", "name": _dataset_name(run)},
                        "metrics": [
                            {"type": name, "value": round(float(value), 6)}
                            for name, value in metrics_of(final).items()
                            if isinstance(value, int | float)
                        ],
                    }
                ],
            }
        ]
    return header


def _scores(run: TrainingRun) -> str:
    final = run.final_line()
    if final is None:
        return "## Scores\n\nIt was trained without a validation set.\n"
    rows = "".join(
        f"| {label_metric(name)} | {format_metric(name, value)} |\n"
        for name, value in metrics_of(final).items()
    )
    return (
        f"## Scores\n\nOn the validation set ({_dataset_name(run)}), at update "
        f"{final['step']:,}:\n\n| metric | value |\n|---|---|\n{rows}"
    )


def _training(run: TrainingRun) -> str:
    data = run.record.get("data") or {}
    rows: dict[str, Any] = {
        "starting point": _public_name(run.recipe.get("model"))
        or ("a local checkpoint" if run.recipe.get("model") else "random weights"),
        "parameters": f"{run.record['parameters']:,}" if "parameters" in run.record else None,
        "training data": _data(data),
        "updates": f"{run.num_updates:,}",
        "audio seen": f"{run.audio_hours:.1f} hours" if run.audio_hours else None,
        "time": format_duration(run.training_s) if run.training_s else None,
        "learning rate": run.recipe.get("learning_rate"),
        "seconds of audio in a batch": run.recipe.get("batch_seconds"),
        "machine": (run.record.get("machine") or {}).get("processor"),
        "software": ", ".join(f"{k} {v}" for k, v in (run.record.get("software") or {}).items()),
    }
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows.items() if value)
    return f"## Training\n\n| | |\n|---|---|\n{lines}"


def _data(data: dict[str, Any]) -> str:
    parts = []
    if "train_hours" in data:
        parts.append(f"{data['train_hours']:.2f} hours")
    if "train_utterances" in data:
        parts.append(f"{data['train_utterances']:,} utterances")
    return ", ".join(parts)


def _use(run: TrainingRun) -> str:
    command = _COMMANDS.get(run.task)
    if command is None:
        return ""
    return (
        "## Use\n\n`FOLDER` is the folder of this file.\n\n```bash\n"
        f"pip install wav2vec2-conformer\n{command}\n```\n"
    )


def _public_name(model: Any) -> str | None:
    """Return a name on the hub ("owner/name"); None for a path, which means nothing elsewhere."""
    parts = str(model or "").split("/")
    is_name = len(parts) == 2 and all(parts) and not parts[0].startswith((".", "~"))  # noqa: PLR2004
    return None if not is_name or Path(str(model)).exists() else str(model)


def _dataset_name(run: TrainingRun) -> str:
    """Return the name of the validation set's file, without its folder."""
    valid = run.recipe.get("valid")
    return Path(str(valid)).stem if valid else "held-out speech"
