"""Time and memory of one optimizer step of pre-training, ours beside transformers'.

    python benchmarks/pretraining_step.py [--batch 4] [--seconds 10] [--rounds 3]

A step draws masks and negatives (transformers' with its NumPy functions), goes forward and
backward through the model in training mode, and updates the weights with AdamW. Each measurement
is a process of its own: one step to warm up, some to time, and the peak memory beyond what the
model had when it was built. The two take turns. On a shared machine the processor's time says
more than the clock's. Prints a table and a line of JSON.

With `--profile` it prints instead where the time of one step of ours goes.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.wav2vec2 import modeling_wav2vec2 as reference_sampling

import wav2vec2_conformer
from wav2vec2_conformer.training.pretraining.draws import Masking

SAMPLE_RATE_HZ = 16_000
SIZES = {
    "hidden_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "hidden_act": "swish",
    "num_negatives": 100,
}
MASK_PROBABILITY, SPAN_FRAMES, MIN_SPANS = 0.65, 10, 2


def resident_mb() -> float:
    """Return the memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def build(implementation: str, norm: str, positions: str) -> Any:
    """Return a model with random weights, in training mode."""
    package = wav2vec2_conformer if implementation == "ours" else transformers
    torch.manual_seed(0)
    config = package.Wav2Vec2ConformerConfig(
        feat_extract_norm=norm,
        conv_bias=norm == "layer",
        position_embeddings_type=positions,
        **SIZES,
    )
    return package.Wav2Vec2ConformerForPreTraining(config).train()


def draw(implementation: str, batch: int, num_frames: int, step: int) -> tuple[Any, Any]:
    """Return masked frames [B, T] and flat indices of negatives [B, T, K]."""
    if implementation == "ours":
        masking = Masking(MASK_PROBABILITY, SPAN_FRAMES, MIN_SPANS, SIZES["num_negatives"])
        drawn = [masking.draw(num_frames, seed=0, epoch=step, utterance=k) for k in range(batch)]
        starts = torch.arange(batch)[:, None, None] * num_frames
        negatives = torch.stack([distractors for _, distractors in drawn]) + starts
        return torch.stack([mask for mask, _ in drawn]), negatives
    shape = (batch, num_frames)
    mask = reference_sampling._compute_mask_indices(  # noqa: SLF001 - what its users call
        shape, MASK_PROBABILITY, SPAN_FRAMES, min_masks=MIN_SPANS
    )
    negatives = reference_sampling._sample_negative_indices(  # noqa: SLF001 - the same
        shape, SIZES["num_negatives"], mask
    )
    return torch.tensor(mask), torch.tensor(negatives).long()


def take_step(
    args: argparse.Namespace, model: Any, optimizer: torch.optim.Optimizer, step: int
) -> None:
    """Draw, go forward and backward, update."""
    generator = torch.Generator().manual_seed(step)
    waveforms = torch.randn(args.batch, int(args.seconds * SAMPLE_RATE_HZ), generator=generator)
    num_frames = int(model._get_feat_extract_output_lengths(waveforms.shape[1]))  # noqa: SLF001
    mask, negatives = draw(args.only, args.batch, num_frames, step)
    out = model(
        waveforms,
        attention_mask=torch.ones_like(waveforms, dtype=torch.long),
        mask_time_indices=mask,
        sampled_negative_indices=negatives,
    )
    (out.loss / mask.sum()).backward()
    optimizer.step()
    optimizer.zero_grad()


def measure(args: argparse.Namespace) -> None:
    """Print time and memory of a step as JSON."""
    np.random.seed(0)  # noqa: NPY002  what the reference draws from
    model = build(args.only, args.norm, args.positions)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    before_mb = resident_mb()
    take_step(args, model, optimizer, 0)
    times_s, processor_times_s = [], []
    for step in range(1, 1 + args.steps):
        start, processor_start = time.perf_counter(), time.process_time()
        take_step(args, model, optimizer, step)
        times_s.append(time.perf_counter() - start)
        processor_times_s.append(time.process_time() - processor_start)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024
    result = {"time_s": min(times_s), "processor_time_s": min(processor_times_s)}
    print(json.dumps({**result, "memory_mb": peak_mb - before_mb}))


def profile(args: argparse.Namespace) -> None:
    """Print the operations of one step of ours, the slowest first."""
    args.only = "ours"
    model = build("ours", args.norm, args.positions)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    take_step(args, model, optimizer, 0)
    with torch.profiler.profile() as profiler:
        take_step(args, model, optimizer, 1)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))


def main() -> None:
    """Alternate the two implementations and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--norm", choices=("group", "layer"), default="group")
    parser.add_argument("--positions", choices=("relative", "rotary"), default="relative")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--only", choices=("ours", "transformers"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.profile:
        profile(args)
        return
    if args.only:
        measure(args)
        return
    runs: dict[str, list[dict[str, float]]] = {"transformers": [], "ours": []}
    for _ in range(args.rounds):
        for name, results in runs.items():
            command = [sys.executable, __file__, "--only", name]
            for option in ("batch", "seconds", "norm", "positions", "steps"):
                command += [f"--{option}", str(getattr(args, option))]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            results.append(json.loads(done.stdout.splitlines()[-1]))
    report(args, runs)


def report(args: argparse.Namespace, runs: dict[str, list[dict[str, float]]]) -> None:
    """Print the table and the JSON line."""
    median: dict[str, dict[str, float]] = {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
    }
    print(
        f"{args.batch} x {args.seconds:g} s, {SIZES['num_hidden_layers']} layers of "
        f"{SIZES['hidden_size']}, {args.positions}, {args.norm} norm, "
        f"{SIZES['num_negatives']} negatives, float32, {torch.get_num_threads()} threads"
    )
    print(f"{'':14}{'step':>10}{'processor time':>18}{'memory beyond the model':>28}")
    for name, result in median.items():
        print(
            f"{name:14}{result['time_s']:>8.2f} s{result['processor_time_s']:>16.2f} s"
            f"{result['memory_mb']:>25.0f} MB"
        )
    time_share, processor_share, memory_share = (
        value / median["transformers"][key] for key, value in median["ours"].items()
    )
    print(
        f"ours: {time_share:.0%} of the time, {processor_share:.0%} of the processor time, "
        f"{memory_share:.0%} of the memory"
    )
    print(
        json.dumps(
            {
                **{key: getattr(args, key) for key in ("batch", "seconds", "norm", "positions")},
                "sizes": SIZES,
                "threads": torch.get_num_threads(),
                "runs": runs,
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "wav2vec2_conformer": wav2vec2_conformer.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
