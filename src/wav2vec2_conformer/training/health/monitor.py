"""The monitor of a run: feeds the detectors, tells what they find, and acts."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

from transformers import (
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.training.health.actions import ACTIONS, Action
from wav2vec2_conformer.training.health.agreement import agree_on_most_severe
from wav2vec2_conformer.training.health.batch_norm import BatchNormDrift, Drift, measured_drifts
from wav2vec2_conformer.training.health.batch_watch import BatchWatch
from wav2vec2_conformer.training.health.classification_watch import ClassificationWatch
from wav2vec2_conformer.training.health.ctc_watch import CtcWatch
from wav2vec2_conformer.training.health.finding import EVENT_FILE, Finding
from wav2vec2_conformer.training.health.health_log import HealthLog
from wav2vec2_conformer.training.health.pretraining_watch import PretrainingWatch
from wav2vec2_conformer.training.health.rollback import roll_back
from wav2vec2_conformer.training.health.stopping import UnhealthyTrainingError
from wav2vec2_conformer.training.health.update_watch import UpdateWatch
from wav2vec2_conformer.training.health.vocabulary import find_vocabulary_mismatch
from wav2vec2_conformer.training.model_folder import latest_checkpoint
from wav2vec2_conformer.training.report.training_report import write_training_report

_DRASTIC = ("roll_back", "stop")

logger = logging.getLogger(__name__)

Task = Literal["ctc", "pretraining", "classification", "frame-classification", "xvector"]


class _Watch(Protocol):
    def look(
        self, step: int, inputs: Mapping[str, Any], outputs: Any
    ) -> dict[str, Finding | None]: ...


class HealthMonitor(TrainerCallback):
    """Watch a run and say in plain words what goes wrong, why, and what to do.

    It is a callback of the trainer, and its `observe` one of the trainer's observers. What it
    says goes to the log and into `health.jsonl` in the folder of the run.

    "roll_back" loads weights and optimizer of the last checkpoint, lowers the learning rate for
    the rest of the run and goes on with the next batches; where that cannot be, it stops. A run
    that it stops leaves its report.

    Args:
        task: What is trained.
        tokenizer: Tokenizer of a CTC model, None for other tasks.
        actions: What to do about each detector's findings, from `read_actions`.
        after_updates: Updates before which a model that has not learnt yet (chance level, all
            blank, few codes) is no finding; None for the detectors' own.
        max_duration_s: Limit of training clips, None for none.
        batch_norm_every: Updates between measurements of the batch norms.
        learning_rate_factor: Of a roll back.
        max_roll_backs: After so many in a run, the next one stops it.
    """

    def __init__(
        self,
        task: Task,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        actions: Mapping[str, Action] = ACTIONS,
        after_updates: int | None = None,
        max_duration_s: float | None = None,
        batch_norm_every: int = 100,
        learning_rate_factor: float = 0.5,
        max_roll_backs: int = 3,
    ) -> None:
        self._task = task
        self._tokenizer = tokenizer
        self._actions = dict(actions)
        self._after_updates = after_updates
        self._max_duration_s = max_duration_s
        self._batch_norm_every = batch_norm_every
        self._learning_rate_factor = learning_rate_factor
        self._max_roll_backs = max_roll_backs
        self._num_roll_backs = 0
        self._step = 0
        self._watch: _Watch | None = None
        self._updates = UpdateWatch()
        self._drift = BatchNormDrift()
        self._log = HealthLog()
        self._found: dict[str, Finding | None] = {}
        self._measuring = ExitStack()
        self._drifts: list[Drift] | None = None

    def observe(self, inputs: Mapping[str, Any], outputs: Any) -> None:
        """Look at a forward pass of training.

        Args:
            inputs: Its inputs, with `utterance_ids` if names are to be told.
            outputs: Its outputs.
        """
        self._measuring.close()
        if self._drifts is not None:
            self._collect({"batch_norm_drift": self._drift.update(self._drifts)})
            self._drifts = None
        if self._watch is not None:
            self._collect(self._watch.look(self._step, inputs, outputs))

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Get to know the model; compare its outputs with the vocabulary."""
        self._step = state.global_step
        run_dir = Path(str(args.output_dir))
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / EVENT_FILE).touch()  # an empty file tells that all was well
        self._start_watching(kwargs["model"])
        tokenizer, config = self._tokenizer, kwargs["model"].config
        if self._task == "ctc" and tokenizer is not None:
            found = find_vocabulary_mismatch(
                num_outputs=config.vocab_size,
                vocabulary_size=len(tokenizer),
                blank_id=config.pad_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
            self._collect({"vocabulary_mismatch": found})
            self._act(args, **kwargs)

    def on_step_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Make ready to measure the batch norms, now and then."""
        self._step = state.global_step
        if self._step and self._step % self._batch_norm_every == 0:
            self._drifts = self._measuring.enter_context(measured_drifts(kwargs["model"]))

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Look at the gradient."""
        parameters = kwargs["model"].parameters()
        infinite = self._found.get("infinite_loss")
        culprits = () if infinite is None else infinite.utterances
        optimizer = kwargs["optimizer"]
        self._collect(self._updates.look_at_gradient(parameters, optimizer, culprits))

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Tell what was found, and act on it."""
        self._step = state.global_step
        self._collect(self._updates.look_at_update(kwargs["optimizer"]))
        self._act(args, **kwargs)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Look at the gradient's norm from before clipping; told at the next update."""
        norm = (logs or {}).get("grad_norm")
        if norm is not None:
            self._collect(self._updates.look_at_norm(float(norm), float(args.max_grad_norm)))

    def _start_watching(self, model: Any) -> None:
        config = model.config
        options: dict[str, Any] = {
            "batches": BatchWatch(
                model._get_feat_extract_output_lengths,  # noqa: SLF001
                getattr(config, "max_source_positions", None),
                self._max_duration_s,
            ),
            "after_updates": self._after_updates,
        }
        if self._task == "ctc":
            unknown_id = None if self._tokenizer is None else self._tokenizer.unk_token_id
            self._watch = CtcWatch(blank_id=config.pad_token_id, unknown_id=unknown_id, **options)
        elif self._task == "pretraining":
            self._watch = PretrainingWatch(
                num_codebooks=config.num_codevector_groups,
                num_entries=config.num_codevectors_per_group,
                **options,
            )
        else:
            is_plain = self._task == "classification"
            self._watch = ClassificationWatch(has_chance_level=is_plain, **options)
        self._updates = UpdateWatch()
        self._drift = BatchNormDrift()

    def _collect(self, found: Mapping[str, Finding | None]) -> None:
        """Keep what was found until the end of the update.

        An update may have several batches: a finding outlasts a later None, and the utterances
        of all are named.
        """
        for detector, finding in found.items():
            before = self._found.get(detector)
            if finding is not None and before is not None:
                names = (*before.utterances, *finding.utterances)
                self._found[detector] = replace(finding, utterances=names)
            elif finding is not None or detector not in self._found:
                self._found[detector] = finding

    def _act(self, args: TrainingArguments, **kwargs: Any) -> None:
        """Tell what has been found since the last time, and stop or roll back if it must be."""
        run_dir = Path(str(args.output_dir))
        gravest, wanted = self._tell(run_dir)
        agreed = agree_on_most_severe(wanted, args.device)
        if agreed not in _DRASTIC:
            return
        if gravest is None or wanted != agreed:
            gravest = Finding(
                "another_process",
                "another process of this run found a reason",
                "see its lines in health.jsonl",
                "see there",
            )
        if agreed == "stop":
            self._stop(args, gravest)
        self._roll_back(args, gravest, **kwargs)

    def _tell(self, run_dir: Path) -> tuple[Finding | None, Action]:
        """Tell what has been found; return what asks for the most severe action, and that."""
        found, self._found = self._found, {}
        gravest: Finding | None = None
        wanted: Action = "ignore"
        for detector, finding in found.items():
            action = self._actions[detector]
            if finding is None:
                self._log.tell_end(run_dir, self._step, detector)
            elif action in _DRASTIC:
                self._log.tell(run_dir, self._step, finding, action)
                if wanted != "stop":
                    gravest, wanted = finding, action
            elif action == "warn" and self._log.is_news(self._step, finding):
                self._log.tell(run_dir, self._step, finding, action)
        return gravest, wanted

    def _roll_back(self, args: TrainingArguments, finding: Finding, **kwargs: Any) -> None:
        checkpoint = latest_checkpoint(str(args.output_dir))
        if checkpoint is None:
            self._stop(args, finding, "there is no checkpoint to go back to")
        if self._num_roll_backs >= self._max_roll_backs:
            self._stop(args, finding, f"it has gone back {self._num_roll_backs} times already")
        try:
            roll_back(
                kwargs["model"],
                kwargs["optimizer"],
                kwargs["lr_scheduler"],
                checkpoint,
                learning_rate_factor=self._learning_rate_factor,
            )
        except CheckpointError as error:
            self._stop(args, finding, str(error))
        self._num_roll_backs += 1
        self._start_watching(kwargs["model"])
        logger.warning(
            "update %d: went back to the weights of %s; the learning rate is %g times what it was",
            self._step,
            checkpoint.name,
            self._learning_rate_factor,
        )

    def _stop(self, args: TrainingArguments, finding: Finding, reason: str = "") -> NoReturn:
        """End the run, which leaves its report."""
        run_dir = Path(str(args.output_dir))
        if args.process_index == 0:
            write_training_report(run_dir)
        raise UnhealthyTrainingError(finding, self._step, run_dir, reason)
