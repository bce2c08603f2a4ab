"""Time and memory of one clip at the released large size, ours beside transformers'.

    python benchmarks/large_clip.py [--seconds 30] [--positions relative] [--rounds 3]

Each measurement is a process of its own: it builds the model with the same random weights,
runs the clip once to warm up and once to time, and tells its peak memory beyond the weights.
The two take turns. Prints a table, the largest difference of the outputs, and a line of JSON.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import transformers

import wav2vec2_conformer

SAMPLE_RATE_HZ = 16_000
LARGE = {
    "vocab_size": 32,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    "conv_bias": True,
}


def resident_mb() -> float:
    """Return the memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def build(implementation: str, positions: str) -> torch.nn.Module:
    """Return the model with weights that depend on the names of the parameters alone."""
    package = wav2vec2_conformer if implementation == "ours" else transformers
    config = package.Wav2Vec2ConformerConfig(position_embeddings_type=positions, **LARGE)
    model = package.Wav2Vec2ConformerForCTC(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "pos_conv_embed" in name or name.endswith("masked_spec_embed"):
                continue
            if parameter.dim() > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(std=0.02, generator=generator)
    return model


def measure(implementation: str, positions: str, seconds: float, output: Path) -> None:
    """Print time and memory of one forward pass as JSON; write the logits."""
    model = build(implementation, positions)
    generator = torch.Generator().manual_seed(1)
    clip = torch.randn(1, int(seconds * SAMPLE_RATE_HZ), generator=generator)
    before_mb = resident_mb()
    with torch.inference_mode():
        model(clip)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024
        start = time.perf_counter()
        logits = model(clip).logits
        duration_s = time.perf_counter() - start
    torch.save(logits, output)
    print(json.dumps({"time_s": duration_s, "memory_mb": peak_mb - before_mb}))


def main() -> None:
    """Alternate the two implementations and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--positions", choices=("relative", "rotary"), default="relative")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("ours", "transformers"), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        measure(args.only, args.positions, args.seconds, args.output)
        return
    runs: dict[str, list[dict[str, float]]] = {"transformers": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        logits = {name: Path(folder) / f"{name}.pt" for name in runs}
        for _ in range(args.rounds):
            for name, results in runs.items():
                command = [sys.executable, __file__, "--only", name]
                command += ["--output", str(logits[name]), "--positions", args.positions]
                command += ["--seconds", str(args.seconds)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                results.append(json.loads(done.stdout.splitlines()[-1]))
        outputs = {name: torch.load(path) for name, path in logits.items()}
    difference = (outputs["ours"] - outputs["transformers"]).abs().max().item()
    report(args, runs, difference)


def report(
    args: argparse.Namespace, runs: dict[str, list[dict[str, float]]], difference: float
) -> None:
    """Print the table and the JSON line."""
    median: dict[str, dict[str, Any]] = {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
    }
    print(f"{args.seconds:g} s clip, {args.positions}, float32, {torch.get_num_threads()} threads")
    print(f"{'':14}{'time':>10}{'memory beyond the weights':>28}")
    for name, result in median.items():
        print(f"{name:14}{result['time_s']:>8.2f} s{result['memory_mb']:>25.0f} MB")
    speed = median["transformers"]["time_s"] / median["ours"]["time_s"]
    share = median["ours"]["memory_mb"] / median["transformers"]["memory_mb"]
    print(f"ours: {speed:.2f} times as fast, {share:.0%} of the memory")
    print(f"largest difference of the logits: {difference:.1e}")
    print(
        json.dumps(
            {
                "seconds": args.seconds,
                "positions": args.positions,
                "threads": torch.get_num_threads(),
                "runs": runs,
                "difference": difference,
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "wav2vec2_conformer": wav2vec2_conformer.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
