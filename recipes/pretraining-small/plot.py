"""Draw the two curves of a pre-training run: contrastive accuracy and code perplexity.

python recipes/pretraining-small/plot.py RUN_FOLDER OUTPUT.png
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

NUM_NEGATIVES = 100
PERPLEXITY = "code_perplexity_"


def main(run: Path, output: Path) -> None:
    """Read the history of the run's last checkpoint and write the picture."""
    states = run.glob("checkpoint-*/trainer_state.json")
    last = max(states, key=lambda path: int(path.parent.name.split("-")[1]))
    history = json.loads(last.read_text(encoding="utf-8"))["log_history"]
    figure, (accuracy, perplexity) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")

    def draw(axes: plt.Axes, key: str, label: str, **style: object) -> None:
        points = [(row["step"], row[key]) for row in history if key in row]
        axes.plot(*zip(*points, strict=True), label=label, **style)

    scale = mpl.ticker.PercentFormatter(1.0, decimals=0)
    draw(accuracy, "accuracy", "training", color="tab:blue", alpha=0.6)
    draw(accuracy, "eval_accuracy", "held-out speakers", color="tab:orange", marker="o")
    chance = 1 / (NUM_NEGATIVES + 1)
    accuracy.axhline(chance, color="gray", linestyle=":", label=f"chance, {chance:.0%}")
    accuracy.set(title="contrastive accuracy", xlabel="update", ylim=(0, None))
    accuracy.yaxis.set_major_formatter(scale)
    accuracy.legend()
    for key in sorted({key for row in history for key in row if key.startswith(PERPLEXITY)}):
        draw(perplexity, key, f"codebook {key.removeprefix(PERPLEXITY)}", alpha=0.8)
    perplexity.axhline(1, color="gray", linestyle=":", label="collapsed, 1")
    perplexity.set(title="code perplexity in training", xlabel="update", ylim=(0, None))
    perplexity.legend()
    figure.savefig(output, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
