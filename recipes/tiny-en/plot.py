"""Draw the curves of runs that followed one another: training loss and held-out error rates.

python recipes/tiny-en/plot.py RUN_FOLDER [RUN_FOLDER ...] OUTPUT.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

SAMPLES_PER_HOUR = 3600 * 16_000


def main(runs: list[Path], output: Path) -> None:
    """Read the runs' log.jsonl and write the picture."""
    figure, (loss, rates) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    start_h = 0.0
    for run, color in zip(runs, ("tab:blue", "tab:orange", "tab:green", "tab:red"), strict=False):
        rows = [json.loads(row) for row in (run / "log.jsonl").read_text().splitlines()]
        hours = [start_h + row["num_input_tokens_seen"] / SAMPLES_PER_HOUR for row in rows]
        for axes, key, marker, label in (
            (loss, "loss", "", run.name),
            (rates, "eval_wer", "o", f"{run.name}, words"),
            (rates, "eval_cer", "^", f"{run.name}, characters"),
        ):
            points = [(hour, row[key]) for hour, row in zip(hours, rows, strict=True) if key in row]
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, label=label)
        start_h = max(hours)
    loss.set(title="training loss of a letter", xlabel="hours of audio heard")
    rates.set(title="held-out speakers, greedy", xlabel="hours of audio heard", ylim=(0, None))
    rates.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    loss.legend()
    rates.legend(loc="center", ncols=2, fontsize="small")  # between words and characters
    figure.savefig(output, dpi=100)


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:-1]], Path(sys.argv[-1]))
