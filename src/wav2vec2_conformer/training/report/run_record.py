"""What a run writes down about itself for its report: machine, data, and every log line."""

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.training.report.run_folder import LOG_FILE, RUN_FILE

_BYTES_PER_GB = 1e9


class RunRecord(TrainerCallback):
    """Write `run.json` when training begins, and each log line to `log.jsonl`.

    The log line is there at once, so that a run that was killed or stopped before its first
    checkpoint has curves too.

    Args:
        task: What is trained, such as "ctc" or "pretraining".
        data: Facts of the data, from `describe_data`.
    """

    def __init__(self, task: str, data: Mapping[str, float] | None = None) -> None:
        self._task = task
        self._data = dict(data or {})

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Write `run.json`. A resumed run keeps the time at which it first began."""
        if not state.is_world_process_zero:
            return
        folder = Path(str(args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / RUN_FILE
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        started = now
        if state.global_step and path.is_file():
            started = json.loads(path.read_text(encoding="utf-8"))["started"]
        model = kwargs["model"]
        record = {
            "task": self._task,
            "started": started,
            "last_started": now,
            "parameters": sum(p.numel() for p in model.parameters()),
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "data": self._data,
            "processes": args.world_size,
            "precision": "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32",
            "machine": describe_machine(),
            "software": describe_software(),
        }
        with write_whole(path) as temporary:
            text = json.dumps(record, ensure_ascii=False, indent=2)
            temporary.write_text(f"{text}\n", encoding="utf-8")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Add a line to `log.jsonl`."""
        if not state.is_world_process_zero or not logs:
            return
        line = json.dumps({**logs, "epoch": state.epoch, "step": state.global_step}, default=float)
        with (Path(str(args.output_dir)) / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def describe_data(
    train_durations_s: Sequence[float], valid_durations_s: Sequence[float] = ()
) -> dict[str, float]:
    """Return hours and utterances of the data, for `RunRecord`.

    Args:
        train_durations_s: Seconds of each training utterance.
        valid_durations_s: Seconds of each validation utterance.
    """
    data: dict[str, float] = {}
    for name, durations_s in (("train", train_durations_s), ("valid", valid_durations_s)):
        if len(durations_s):
            data[f"{name}_hours"] = round(sum(durations_s) / 3600, 4)
            data[f"{name}_utterances"] = len(durations_s)
    return data


def describe_machine() -> dict[str, Any]:
    """Return what the machine is made of; neither its name nor paths."""
    machine: dict[str, Any] = {
        "system": platform.system(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if hasattr(os, "sysconf"):
        num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        machine["memory_gb"] = round(num_bytes / _BYTES_PER_GB, 1)
    if torch.cuda.is_available():
        machine["gpus"] = [
            torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
        ]
    return machine


def describe_software() -> dict[str, str]:
    """Return versions of what computed the run."""
    names = ("wav2vec2-conformer", "torch", "transformers", "accelerate")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
