"""The experiments in the order in which they run, and the figures that each gives."""

from collections.abc import Callable
from dataclasses import dataclass

from wav2vec2_conformer.benchmark.accuracy_rows import measure_accuracy
from wav2vec2_conformer.benchmark.batch_rows import measure_batch
from wav2vec2_conformer.benchmark.clip_rows import measure_relative, measure_rotary
from wav2vec2_conformer.benchmark.gpu_rows import measure_gpu
from wav2vec2_conformer.benchmark.peer_rows import measure_peers
from wav2vec2_conformer.benchmark.recording_rows import measure_growth, measure_long_recording
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session
from wav2vec2_conformer.benchmark.startup_rows import measure_startup
from wav2vec2_conformer.benchmark.training_rows import measure_finetuning, measure_pretraining

FIGURES = (*(f"S{number}" for number in range(1, 12)), "peers", "gpu")


@dataclass(frozen=True, slots=True)
class Experiment:
    """Processes that take turns at one kind of work.

    Attributes:
        name: For the progress.
        figures: That it gives rows of.
        measure: Runs it.
        usual_s: How long it takes at the large size and three rounds on two cores.
    """

    name: str
    figures: frozenset[str]
    measure: Callable[[Session], list[Row]]
    usual_s: float


EXPERIMENTS = (
    Experiment("start", frozenset({"S10"}), measure_startup, 20),
    Experiment("clips, relative", frozenset({"S1", "S3", "S4", "S6"}), measure_relative, 270),
    Experiment("clips, rotary", frozenset({"S2", "S3"}), measure_rotary, 150),
    Experiment("word error rate", frozenset({"S4"}), measure_accuracy, 30),
    Experiment("utterances", frozenset({"S5"}), measure_batch, 110),
    Experiment("long recording", frozenset({"S7"}), measure_long_recording, 70),
    Experiment("growth", frozenset({"S11"}), measure_growth, 30),
    Experiment("fine-tuning", frozenset({"S8"}), measure_finetuning, 150),
    Experiment("pre-training", frozenset({"S9"}), measure_pretraining, 100),
    Experiment("peers", frozenset({"peers"}), measure_peers, 215),
    Experiment("GPU", frozenset({"gpu"}), measure_gpu, 10),
)
