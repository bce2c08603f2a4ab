"""What runs in each Ray actor: a model, and parts one after another.

A worker may die at any moment: its machine is taken away, or a file needs more memory than there
is. Ray starts another one and gives it the same part again, as often as needed. What was written
stays; the part under way is noted, so that the next worker goes through it one recording at a
time, and the one after that leaves out the recording with which it ended.
"""

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wav2vec2_conformer.inference.exported_folder import Runtime
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.scale.part_files import PartFiles
from wav2vec2_conformer.scale.part_transcription import PartTranscription
from wav2vec2_conformer.scale.parts import Part


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers transcribe; the words are those of `Transcriber.from_pretrained`.

    Attributes:
        model: Folder or hub name of the checkpoint; None for the bundled one. Machines that
            share no folder need a name of the hub.
        device: `auto` is a GPU where the worker was given one.
        compute_type: Precision of the model.
        runtime: What runs it; for exported folders also `onnx` and `openvino`.
        cuda_graphs: Replays the model's passes as CUDA graphs.
        target_lang: Language of a checkpoint with adapters of several.
        window_s: Longest piece of audio that the model sees at once.
        context_s: Part of it on each side that is context only.
        speech_detection: `energy`, `silero` or None.
        batch_seconds: Seconds of audio in the model at once.
        is_greedy: Takes each frame's best token, whatever the checkpoint's folder says.
        decoding: Values of `DecodingOptions` in place of the checkpoint's own.
        language_model: File of an n-gram model in place of the checkpoint's own.
        num_threads: Processor threads of the model.
    """

    model: str | None = None
    device: str = "auto"
    compute_type: str = "float32"
    runtime: Runtime = "auto"
    cuda_graphs: bool = False
    target_lang: str | None = None
    window_s: float = 30.0
    context_s: float = 3.0
    speech_detection: Any = None
    batch_seconds: float = 60.0
    is_greedy: bool = False
    decoding: dict[str, Any] | None = None
    language_model: Path | None = None
    num_threads: int = 1

    def anywhere(self) -> "WorkerSettings":
        """Return the same with paths that do not depend on the working folder."""
        changed: dict[str, Any] = {}
        if self.model is not None and Path(self.model).is_dir():
            changed["model"] = str(Path(self.model).absolute())
        if self.language_model is not None:
            changed["language_model"] = self.language_model.absolute()
        return replace(self, **changed)

    def load(self) -> Transcriber:
        """Load the model.

        Raises:
            CheckpointError: When the checkpoint or the language model cannot be read.
            InputError: When the device or compute type does not exist on this machine.
        """
        import torch  # noqa: PLC0415 - not needed to describe a job

        from wav2vec2_conformer.inference.decoding_options import DecodingOptions  # noqa: PLC0415
        from wav2vec2_conformer.inference.loading import load_decoding  # noqa: PLC0415
        from wav2vec2_conformer.language_models.language_model_file import (  # noqa: PLC0415
            load_language_model,
        )

        torch.set_num_threads(self.num_threads)
        values = dict(self.decoding or {})
        decoding = None  # the checkpoint's own
        if self.is_greedy:
            decoding = DecodingOptions()
        elif self.language_model is not None:
            language_model = load_language_model(self.language_model)
            decoding = DecodingOptions(language_model=language_model, **values)
        elif values:
            decoding = replace(load_decoding(self.model), **values)
        return Transcriber.from_pretrained(
            self.model,
            device=self.device,
            compute_type=self.compute_type,
            runtime=self.runtime,
            cuda_graphs=self.cuda_graphs,
            window_s=self.window_s,
            context_s=self.context_s,
            decoding=decoding,
            speech_detection=self.speech_detection,
            target_lang=self.target_lang,
        )


class PartWorker:
    """Transcribes parts and writes them; Ray Data calls it.

    Args:
        settings: How.
        folder: Path or URL of the output.
    """

    def __init__(self, settings: WorkerSettings, folder: str) -> None:
        self._settings = settings
        self._transcriber = settings.load()
        self._files = PartFiles(folder)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Run the parts of a batch; return a row about each."""
        rows = [self.run(Part.from_json(str(text))) for text in batch["part"]]
        return {key: [row[key] for row in rows] for key in rows[0]}

    def run(self, part: Part) -> dict[str, Any]:
        """Transcribe what is missing of a part, write it, and say how much it was."""
        noted = self._files.running(part.name)
        if noted is None:
            self._files.note_running(part.name, self._note([], None))
        before = self._files.read(part.name)
        done_ids = {row["id"] for row in before} | set(part.done_ids)
        made = self._transcribe(part, done_ids, noted)
        self._files.write(part.name, [*before, *made.rows], made.failed)
        self._files.note_running(part.name, None)
        return {
            "part": part.name,
            "num_done": len(made.rows),
            "num_failed": len(made.failed),
            "audio_s": made.audio_s,
        }

    def _transcribe(
        self, part: Part, done_ids: set[str], noted: dict[str, Any] | None
    ) -> PartTranscription:
        if noted is None:
            made = self._start(done_ids)
            try:
                made.run(part)
            except Exception:  # noqa: BLE001  it is found below whose it is
                noted = self._note([], None)
            else:
                return made
        bad = [*noted["bad"], *([noted["running"]] if noted["running"] is not None else [])]
        made = self._start(done_ids)
        made.run_carefully(
            part,
            bad,
            lambda name: self._files.note_running(part.name, self._note(bad, name)),
        )
        return made

    def _note(self, bad: list[str], running: str | None) -> dict[str, Any]:
        """Return what the next worker needs to know, and where to look for this one."""
        return {"bad": bad, "running": running, "host": socket.gethostname(), "pid": os.getpid()}

    def _start(self, done_ids: set[str]) -> PartTranscription:
        return PartTranscription(
            self._transcriber, batch_seconds=self._settings.batch_seconds, done_ids=done_ids
        )
