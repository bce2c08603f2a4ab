"""The configuration inside a fairseq or S3PRL file, as plain values.

Old files have `args`, one flat namespace. New ones have `cfg`, with sections `model`, `task` and
so on. A fine-tuned file has the configuration of its pre-training in `w2v_args`.
"""

from dataclasses import dataclass, field
from typing import Any

from wav2vec2_conformer.checkpoints.inert import InertObject
from wav2vec2_conformer.errors import CheckpointError

_MAX_VALUES = 100_000
_MAX_DEPTH = 12
_SECTIONS = ("model", "task", "criterion", "optimization", "common")


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """What a file says about its model.

    Attributes:
        model: Settings of the pre-trained model, with fairseq's names; empty when unknown.
        task: Settings of its data.
        criterion: Settings of its loss.
        fine_tuning: Settings of the fine-tuned model; empty in a pre-trained one.
        training: How it was trained, for people to read.
    """

    model: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    criterion: dict[str, Any] = field(default_factory=dict)
    fine_tuning: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def read_stored_config(contents: dict[Any, Any]) -> StoredConfig:
    """Return the configuration of a file's contents.

    Raises:
        CheckpointError: It is too deep or too large to be one.
    """
    if "model_weight" in contents:  # S3PRL
        model, task = (
            _section(to_plain(contents.get(f"{name}_cfg"))) for name in ("model", "task")
        )
        sections = {"model": model, "task": task}
    elif isinstance(cfg := to_plain(contents.get("cfg")), dict):
        sections = {name: _section(cfg.get(name)) for name in _SECTIONS}
    else:
        flat = _section(to_plain(contents.get("args")))
        sections = dict.fromkeys(_SECTIONS, flat)
    model, task = sections["model"], sections["task"]
    fine_tuning: dict[str, Any] = {}
    pre_training = model.get("w2v_args")
    if isinstance(pre_training, dict):
        fine_tuning = model
        model = _section(pre_training.get("model", pre_training))
        # What fine-tuning says about audio is not always kept; what pre-training says is the same.
        task = _section(pre_training.get("task", pre_training)) | {
            name: value for name, value in task.items() if value is not None
        }
    return StoredConfig(
        model=model,
        task=task,
        criterion=sections.get("criterion", {}),
        fine_tuning=fine_tuning,
        training=_read_training(contents, sections),
    )


def _section(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_training(contents: dict[Any, Any], sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    training: dict[str, Any] = {}
    history = to_plain(contents.get("optimizer_history"))
    if isinstance(history, list) and history and isinstance(history[-1], dict):
        last = history[-1]
        training = {
            name: last[name]
            for name in ("num_updates", "criterion_name", "optimizer_name")
            if last.get(name) is not None
        }
    for section, name in (
        ("model", "_name"),
        ("task", "data"),
        ("task", "labels"),
        ("optimization", "max_update"),
        ("optimization", "lr"),
        ("common", "fp16"),
        ("common", "seed"),
    ):
        value = sections.get(section, {}).get(name)
        if value is not None:
            training[{"_name": "model", "data": "data_folder"}.get(name, name)] = value
    return training


def to_plain(value: Any) -> Any:
    """Return dictionaries, lists and plain values for what a pickle holds.

    Namespaces and configuration nodes become dictionaries, enumerations their values.

    Raises:
        CheckpointError: It is nested too deeply, or has too many values.
    """
    budget = [_MAX_VALUES]
    return _to_plain(value, _MAX_DEPTH, budget)


def _contents_of(value: InertObject) -> Any:
    attributes = value.attributes()
    for name in ("_content", "_val"):  # containers and values of omegaconf
        if name in attributes:
            return attributes[name]
    if attributes:
        return attributes
    return value.arguments[0] if value.arguments else None  # an enumeration's value


def _to_plain(value: Any, depth: int, budget: list[int]) -> Any:
    budget[0] -= 1
    if depth == 0 or budget[0] < 0:
        raise CheckpointError("the configuration in the file is too deep or too large to be one")
    if isinstance(value, InertObject):
        return _to_plain(_contents_of(value), depth - 1, budget)
    if isinstance(value, dict):
        return {
            str(_to_plain(key, depth - 1, budget)): _to_plain(item, depth - 1, budget)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_to_plain(item, depth - 1, budget) for item in value]
    return value if isinstance(value, str | int | float | bool) else None
