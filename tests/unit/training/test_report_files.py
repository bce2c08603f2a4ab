"""What a run writes for its report: examples, machine, log lines."""

import json
from importlib.metadata import version

import torch
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from wav2vec2_conformer.training.report.examples import (
    EXAMPLE_FILE,
    TextExample,
    read_examples,
    write_examples,
)
from wav2vec2_conformer.training.report.run_folder import read_run
from wav2vec2_conformer.training.report.run_record import RunRecord, describe_data


def train(folder, **arguments):
    class SquaredTrainer(Trainer):
        def compute_loss(self, model, inputs, **_):
            return model(inputs["x"]).square().mean()

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    model[0].requires_grad_(requires_grad=False)
    trainer = SquaredTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            report_to="none",
            logging_steps=1,
            save_steps=2,
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
            **arguments,
        ),
        train_dataset=[{"x": torch.ones(2)}] * 8,
        callbacks=[RunRecord("ctc", {"train_hours": 1.5})],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def test_a_run_records_machine_data_and_each_log_line(tmp_path):
    train(tmp_path, max_steps=3).train()
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["parameters"], record["trained_parameters"]) == (9, 3)
    assert record["data"] == {"train_hours": 1.5}
    assert record["machine"]["cores"] > 0
    assert record["software"]["torch"] == version("torch")
    run = read_run(tmp_path)
    assert [line["step"] for line in run.history if "loss" in line] == [1, 2, 3]
    assert run.num_updates == 3


def test_a_resumed_run_keeps_its_beginning_and_repeats_no_line(tmp_path):
    train(tmp_path, max_steps=3).train()
    first = json.loads((tmp_path / "run.json").read_text()) | {
        "started": "2020-01-01T00:00:00+00:00"
    }
    (tmp_path / "run.json").write_text(json.dumps(first))
    train(tmp_path, max_steps=4).train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    run = read_run(tmp_path)
    assert run.record["started"] == "2020-01-01T00:00:00+00:00"
    assert [line["step"] for line in run.history if "loss" in line] == [1, 2, 3, 4]


def test_examples_are_spread_over_the_set(tmp_path):
    references = [f"r{i}" for i in range(100)]
    hypotheses = [f"h{i}" for i in range(100)]
    path = write_examples(tmp_path / "new", references, hypotheses, max_examples=4)
    assert path.name == EXAMPLE_FILE
    assert read_examples(tmp_path / "new") == [
        TextExample(f"r{i}", f"h{i}") for i in (12, 37, 62, 87)
    ]


def test_few_examples_are_all_kept(tmp_path):
    write_examples(tmp_path, ["ä"], ["b"], ["n"])
    assert read_examples(tmp_path) == [TextExample("ä", "b", "n")]
    write_examples(tmp_path, [], [])
    assert read_examples(tmp_path) == []


def test_data_is_counted():
    assert describe_data([1800.0, 3600.0], [36.0]) == {
        "train_hours": 1.5,
        "train_utterances": 2,
        "valid_hours": 0.01,
        "valid_utterances": 1,
    }
    assert describe_data([]) == {}
