"""Time of one call with utterances of many lengths, ours beside transformers'.

    python benchmarks/mixed_lengths.py [--large] [--positions relative] [--rounds 3]

32 utterances of 2 to 30 s, distributed like LibriSpeech's and unsorted, in one padded batch with
its mask. Each measurement is a process of its own with the same random weights; the two take
turns. With relative positions transformers needs some 0.7 GB for each utterance of the medium
size's batch, and more for the large: `--utterances 8` where that is too much. Prints a table, how
far our batch is from utterances run alone, and a line of JSON.
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

import torch
import transformers

import wav2vec2_conformer

SAMPLE_RATE_HZ = 16_000
MEDIUM = {
    "vocab_size": 32,
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    "conv_bias": True,
}
LARGE = {
    **MEDIUM,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
ALONE = 3  # utterances that are run by themselves too, for comparison


def lengths_s(count: int) -> list[float]:
    """Return lengths like those of LibriSpeech: most near 13 s, some short, none above 30 s."""
    generator = torch.Generator().manual_seed(0)
    long = 13.0 + 3.0 * torch.randn(count, generator=generator)
    short = 2.0 + 10.0 * torch.rand(count, generator=generator)
    is_long = torch.rand(count, generator=generator) < 0.6  # noqa: PLR2004 - share of long ones
    lengths = torch.where(is_long, long, short)
    lengths[count // 3], lengths[count // 2] = 30.0, 2.0
    return lengths.clamp(2.0, 30.0).tolist()


def resident_mb() -> float:
    """Return the memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def build(implementation: str, settings: dict[str, Any]) -> torch.nn.Module:
    """Return the model with our first weights of seed 0, whichever implementation it is."""
    torch.manual_seed(0)
    config = wav2vec2_conformer.Wav2Vec2ConformerConfig(**settings)
    model = wav2vec2_conformer.Wav2Vec2ConformerForCTC(config).eval()
    if implementation == "transformers":
        weights = model.state_dict()
        config = transformers.Wav2Vec2ConformerConfig(**settings)
        model = transformers.Wav2Vec2ConformerForCTC(config).eval()
        model.load_state_dict(weights, assign=True)
    return model


def measure(implementation: str, positions: str, count: int, *, large: bool) -> None:
    """Print time and memory of one call, and our distance from single runs, as JSON."""
    settings = {**(LARGE if large else MEDIUM), "position_embeddings_type": positions}
    model = build(implementation, settings)
    generator = torch.Generator().manual_seed(1)
    samples = torch.tensor([int(seconds * SAMPLE_RATE_HZ) for seconds in lengths_s(count)])
    mask = (torch.arange(int(samples.max())) < samples[:, None]).long()
    batch = torch.randn(mask.shape, generator=generator) * mask
    result: dict[str, float] = {}
    with torch.inference_mode():
        model(batch[:1, :SAMPLE_RATE_HZ])  # loads what the first call loads
        before_mb = resident_mb()
        start, start_cpu = time.perf_counter(), time.process_time()
        logits = model(batch, mask).logits
        result["time_s"] = time.perf_counter() - start
        result["cpu_time_s"] = time.process_time() - start_cpu
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024
        result["memory_mb"] = peak_mb - before_mb
        if implementation == "ours":
            distances = []
            for row in torch.linspace(0, count - 1, ALONE).int().tolist():
                alone = model(batch[row : row + 1, : int(samples[row])]).logits[0]
                distances.append((logits[row, : len(alone)] - alone).abs().max().item())
            result["distance_from_single"] = max(distances)
    print(json.dumps(result))


def main() -> None:
    """Alternate the two implementations and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--positions", choices=("relative", "rotary"), default="relative")
    parser.add_argument("--large", action="store_true", help="24 layers of 1024, not 12 of 512")
    parser.add_argument("--utterances", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("ours", "transformers"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        measure(args.only, args.positions, args.utterances, large=args.large)
        return
    runs: dict[str, list[dict[str, float]]] = {"transformers": [], "ours": []}
    for _ in range(args.rounds):
        for name, results in runs.items():
            command = [sys.executable, __file__, "--only", name, "--positions", args.positions]
            command += ["--utterances", str(args.utterances), *(["--large"] if args.large else [])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            results.append(json.loads(done.stdout.splitlines()[-1]))
    report(args, runs)


def report(args: argparse.Namespace, runs: dict[str, list[dict[str, float]]]) -> None:
    """Print the table and the JSON line."""
    lengths = lengths_s(args.utterances)
    padded = 1.0 - sum(lengths) / (max(lengths) * len(lengths))
    median: dict[str, dict[str, Any]] = {
        name: {key: statistics.median(run[key] for run in results) for key in results[0]}
        for name, results in runs.items()
    }
    size = "24 layers of 1024" if args.large else "12 layers of 512"
    print(
        f"{len(lengths)} utterances of {min(lengths):.0f} to {max(lengths):.0f} s "
        f"({sum(lengths):.0f} s, {padded:.0%} padding), {size}, {args.positions}, float32, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"{'':14}{'time':>10}{'CPU time':>12}{'memory beyond the weights':>28}")
    for name, result in median.items():
        print(
            f"{name:14}{result['time_s']:>8.2f} s{result['cpu_time_s']:>10.2f} s"
            f"{result['memory_mb']:>25.0f} MB"
        )
    speed = median["transformers"]["time_s"] / median["ours"]["time_s"]
    share = median["ours"]["memory_mb"] / median["transformers"]["memory_mb"]
    print(f"ours: {speed:.2f} times as fast, {share:.0%} of the memory")
    distance = median["ours"]["distance_from_single"]
    print(f"largest difference of our logits, batch and single run: {distance:.1e}")
    print(
        json.dumps(
            {
                "lengths_s": lengths,
                "positions": args.positions,
                "large": args.large,
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
