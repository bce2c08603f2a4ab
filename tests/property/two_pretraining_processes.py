"""Pre-training for test_distributed_pretraining.py: `torchrun two_pretraining_processes.py FOLDER`.

FOLDER holds `clips` and `config.json`. Each part is a whole run of `pretrain`.
"""

import os
import shutil
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from wav2vec2_conformer.training.pretraining.run import pretrain
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings

NUM_PROCESSES = 2
STEPS = 4
STOP = 2


def run(folder, name, **changes):
    """Pre-train, as many batches an update in one process as in two."""
    values = {
        "train": (folder / "clips",),
        "valid": folder / "clips",
        "output_dir": folder / name,
        "config": folder / "config.json",
        "batch_seconds": 3.0,
        "min_duration_s": 0.5,
        "max_duration_s": 1.2,
        "gradient_accumulation_steps": NUM_PROCESSES // int(os.environ.get("WORLD_SIZE", "1")),
        "max_steps": STEPS,
        "warmup_steps": 1,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "eval_steps": STOP,
        "save_steps": STOP,
        "num_workers": 0,
        "use_cpu": True,
        "report_to": "none",
    }
    return pretrain(PretrainingSettings(**{**values, **changes}))


def choose_without_noise(logits, tau=1.0, *, hard=True):
    """`gumbel_softmax` without its noise, which two processes draw in another order than one."""
    soft = (logits / tau).softmax(-1)
    chosen = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).to(soft)
    return chosen - soft.detach() + soft if hard else soft


def run_without_noise(folder, name):
    """The run that one process repeats."""
    drawn = torch.nn.functional.gumbel_softmax
    torch.nn.functional.gumbel_softmax = choose_without_noise
    try:
        return run(folder, name)
    finally:
        torch.nn.functional.gumbel_softmax = drawn


def main(folder):
    run_without_noise(folder, "two")
    random = {"model_config": {"layerdrop": 0.3, "hidden_dropout": 0.1, "mask_feature_prob": 0.1}}
    run(folder, "whole", **random)
    if os.environ["RANK"] == "0":
        part = f"checkpoint-{STOP}"
        shutil.copytree(folder / "whole" / part, folder / "resumed" / part)
    dist.barrier()
    run(folder, "resumed", resume=True, **random)
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
