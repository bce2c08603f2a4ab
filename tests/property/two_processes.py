"""Training in one or more processes, for test_distributed.py, which launches it with a FOLDER.

Each part writes what it found into FOLDER, one file for each process.
"""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch import nn
from transformers import TrainingArguments

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.data.batching import DurationBatchSampler
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.nn.normalization import MaskedBatchNorm1d
from wav2vec2_conformer.training.distributed_batch_norm import synchronize_batch_norms
from wav2vec2_conformer.training.distributed_model import whole_model
from wav2vec2_conformer.training.distributed_skipping import SkippedUpdates
from wav2vec2_conformer.training.freezing import HeadFirst
from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.health.stopping import UnhealthyTrainingError
from wav2vec2_conformer.training.schedule import TrainingClock
from wav2vec2_conformer.training.speech_trainer import SpeechTrainer

NUM_PROCESSES = 2
DURATIONS_S = [0.3 + 0.04 * i for i in range(11)]
BAD_CLIP = 4
HEAD_ONLY_STEPS = 4  # of 5
NO_DROPOUT = dict.fromkeys(
    (
        "hidden_dropout",
        "activation_dropout",
        "attention_dropout",
        "conformer_conv_dropout",
        "final_dropout",
        "feat_proj_dropout",
        "layerdrop",
    ),
    0.0,
)


class Clips(torch.utils.data.Dataset):
    """Noise with labels; some clips may have more labels than frames."""

    def __init__(self, bad_clips=()):
        self.bad_clips = bad_clips
        self.drawn = []

    def __len__(self):
        return len(DURATIONS_S)

    def __getitem__(self, draw):
        index = draw[1]
        self.drawn.append(tuple(draw))
        generator = torch.Generator().manual_seed(index)
        num_labels = 60 if index in self.bad_clips else 4
        return (
            f"clip-{index}",
            torch.randn(int(16_000 * DURATIONS_S[index]), generator=generator),
            torch.randint(3, 12, (num_labels,), generator=generator),
        )


def collate(examples):
    names, waveforms, labels = zip(*examples, strict=True)
    return {
        "utterance_ids": names,
        "input_values": nn.utils.rnn.pad_sequence(waveforms, batch_first=True),
        "attention_mask": nn.utils.rnn.pad_sequence(
            [torch.ones(len(w), dtype=torch.long) for w in waveforms], batch_first=True
        ),
        "labels": nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100),
    }


def build_model(**settings):
    torch.manual_seed(0)
    config = {
        "vocab_size": 12,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "conv_dim": (8,) * 7,
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "mask_time_length": 2,
        "ctc_loss_reduction": "mean",
        "apply_spec_augment": False,
        **NO_DROPOUT,
    }
    return Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**config | settings))


def train(
    folder,
    model=None,
    *,
    bad_clips=(),
    max_steps=5,
    head_only_steps=0,
    monitor=None,
    sync_batch_norm=False,
    resume_from=None,
    **more,
):
    """Train with the trainer; return it, its data, and the error that ended it, if one did."""
    model = build_model() if model is None else model
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=max_steps,
        learning_rate=1e-2,
        adam_epsilon=1e-5,  # else a gradient of nearly zero, which is noise, counts fully
        gradient_accumulation_steps=NUM_PROCESSES // num_processes,
        use_cpu=True,
        report_to="none",
        optim="adamw_torch",
        weight_decay=0.1,
        label_names=["labels"],
        disable_tqdm=True,
        accelerator_config={"even_batches": False},
        **{"save_strategy": "no", **more},
    )
    data = Clips(bad_clips)
    clock = TrainingClock(None)
    callbacks = [clock, HeadFirst(model, head_only_steps)]
    if monitor is not None:
        callbacks.append(monitor)
    trainer = SpeechTrainer(
        model=model,
        args=arguments,
        data_collator=collate,
        train_dataset=data,
        train_sampler=DurationBatchSampler(
            DURATIONS_S, 1.3, num_processes=NUM_PROCESSES, shortest_first_epochs=0
        ),
        eval_dataset=Clips(),
        eval_sampler=DurationBatchSampler(
            DURATIONS_S, 1.3, shuffle=False, num_processes=num_processes
        ),
        predict=lambda model, inputs, outputs: outputs.logits.argmax(-1),  # noqa: ARG005
        compute_metrics=count_clips,
        clock=clock,
        callbacks=callbacks,
        observers=[] if monitor is None else [monitor.observe],
        sync_batch_norm=sync_batch_norm,
    )
    try:
        trainer.train(resume_from_checkpoint=resume_from)
    except UnhealthyTrainingError as error:
        return trainer, data, error
    return trainer, data, None


def count_clips(prediction):
    """What an evaluation saw: its clips, and a sum that depends on each of them."""
    labels = prediction.label_ids
    return {"clips": len(labels), "labels": int(labels[labels >= 0].sum())}


def state_of(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def run_equal_training(folder):
    """The run that one process repeats with accumulation."""
    trainer, data, _ = train(folder / "equal")
    return {
        "state": state_of(trainer.model),
        "drawn": data.drawn,
        "metrics": trainer.evaluate(),
        "wrapper": type(trainer.model_wrapped).__name__,
        "finds_unused": trainer.model_wrapped.find_unused_parameters,
    }


def run_head_first(folder):
    """A run that one process repeats, with an encoder that waits for its head."""
    trainer, _, _ = train(folder / "head", head_only_steps=HEAD_ONLY_STEPS, logging_steps=1)
    return {
        "state": state_of(trainer.model),
        "norms": [line["grad_norm"] for line in trainer.state.log_history if "loss" in line],
        "metrics": trainer.evaluate(),
    }


def run_random_training(folder):
    """All that can leave a process waiting: layer drop, masks, checkpointing, shared norms."""
    model = build_model(layerdrop=0.5, hidden_dropout=0.1, mask_time_prob=0.3)
    model.save_pretrained(folder / "start")  # by the first process
    dist.barrier()
    model = Wav2Vec2ConformerForCTC.from_pretrained(folder / "start")  # thaws what was frozen
    model.config.apply_spec_augment = True
    trainer, _, _ = train(
        folder / "random", model, sync_batch_norm=True, activation_checkpointing=True
    )
    return {"state": state_of(trainer.model)}


def run_training_with_bad_clip(folder):
    """The monitor is the one of every run, and could not roll back: there is no checkpoint."""
    monitor = HealthMonitor("ctc")
    trainer, data, error = train(
        folder / "bad", bad_clips=(BAD_CLIP,), max_steps=3, monitor=monitor
    )
    (skipped,) = [o for o in trainer.observers if isinstance(o, SkippedUpdates)]
    return {
        "error": error and str(error),
        "state": state_of(trainer.model),
        "num_skipped": skipped.num_skipped,
        "met": any(index == BAD_CLIP for _, index in data.drawn),
    }


def run_training_with_bad_process(folder, rank):
    """In one process every loss is infinite."""
    bad_clips = range(len(DURATIONS_S)) if rank == 1 else ()
    monitor = HealthMonitor("ctc")
    trainer, _, error = train(
        folder / "all-bad", bad_clips=bad_clips, max_steps=14, monitor=monitor
    )
    return {"steps": trainer.state.global_step, "message": str(error)}


def run_batch_norm(rank):
    """Half a padded batch in each process; test_distributed.py takes the whole."""
    whole, mask = batch_norm_input()
    model = nn.Sequential(MaskedBatchNorm1d(3))
    synchronize_batch_norms(model)
    part = slice(2 * rank, 2 * rank + 2)
    x = whole[part].requires_grad_()
    y = model[0](x, mask[part])
    (y.masked_fill(mask[part][:, None], 0.0) ** 3).sum().backward()
    return {
        "output": y.detach(),
        "input_gradient": x.grad,
        "weight_gradient": model[0].weight.grad,
        "state": state_of(model[0]),
    }


def batch_norm_input():
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(7) >= torch.tensor([7, 4, 2, 6])[:, None]
    return torch.randn(4, 3, 7, generator=generator) * 2 + 1, mask


def run_sharded_training(folder):
    """`fsdp` of the trainer, which accelerate has for GPUs alone: here it takes CPUs for such.

    A checkpoint on the way, when the encoder still waits for its head, the last one, the final
    model, and a run that goes on from the first.
    """
    build_state = AcceleratorState.__init__

    def shard_on_cpu(self, *args, fsdp_plugin=None, **kwargs):
        build_state(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
        self.distributed_type = DistributedType.FSDP

    AcceleratorState.__init__ = shard_on_cpu
    more = {"fsdp": True, "activation_checkpointing": True}
    more |= {"save_strategy": "steps", "save_steps": 3, "head_only_steps": HEAD_ONLY_STEPS}
    trainer, _, _ = train(folder / "fsdp", **more)
    part = sum(p.to_local().numel() for p in trainer.model.parameters())
    metrics = trainer.evaluate()
    checkpoint = folder / "fsdp" / "checkpoint-3"
    resumed, _, _ = train(folder / "resumed", resume_from=str(checkpoint), **more)
    for name, model in (("whole", trainer.model), ("resumed-whole", resumed.model)):
        whole = whole_model(model)
        if trainer.args.should_save:
            whole.save_pretrained(folder / name)
    return {"part": part, "metrics": metrics}


def main(folder):
    rank = int(os.environ["RANK"])
    results = {
        "equal": run_equal_training(folder),
        "head": run_head_first(folder),
        "random": run_random_training(folder),
        "bad": run_training_with_bad_clip(folder),
        "all_bad": run_training_with_bad_process(folder, rank),
        "batch_norm": run_batch_norm(rank),
        "sharded": run_sharded_training(folder),
    }
    torch.save(results, folder / f"results-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
