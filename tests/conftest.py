"""What holds in every test: offline, seeded, one thread, shapes checked, no silent skips."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import random
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

# Every call into the model's parts checks the shapes of its annotations. The hook works on
# modules that are imported after it. `JAXTYPING_DISABLE=1 pytest` leaves it out.
# (The tower: an int is accepted for a float, as every static checker does.)
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
if os.environ.get("JAXTYPING_DISABLE") != "1":
    install_import_hook("wav2vec2_conformer.nn", CHECKER)

torch.set_num_threads(1)  # the models are tiny: a second thread only waits

# Of a tiny model with the norms and biases of the large released ones.
LAYER_NORM_CONFIG: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "conv_dim": (8,) * 7,
    "conv_depthwise_kernel_size": 5,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  transformers draws from the global generator
    torch.manual_seed(0)


@pytest.fixture
def tiny_config_kwargs() -> dict[str, Any]:
    """Arguments of the smallest configuration in which every part of the model is present.

    400 samples give the first frame and every further 320 samples one more, as in the
    released checkpoints.
    """
    return {
        "vocab_size": 12,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "conv_dim": (8, 8, 8, 8, 8, 8, 8),
        "conv_depthwise_kernel_size": 5,
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
        "num_codevectors_per_group": 6,
        "codevector_dim": 8,
        "proj_codevector_dim": 8,
        "num_negatives": 3,
        "classifier_proj_size": 8,
        "tdnn_dim": (8, 8, 12),
        "tdnn_kernel": (5, 3, 1),
        "tdnn_dilation": (1, 2, 1),
        "xvector_output_dim": 8,
        "mask_time_length": 2,
    }


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[[str], str]:
    """Run Python source in an interpreter of its own, without shape checks; return its stdout.

    For `torch.compile` and strict `torch.export`, which cannot trace through the checks.
    """

    def run(source: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", source],
            cwd=tmp_path,
            env={**os.environ, "JAXTYPING_DISABLE": "1", "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"the program ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    return run


@pytest.fixture(scope="session")
def save_classifier() -> Callable[..., Path]:
    """Save a tiny random classifier, whose scores differ between clips, into a folder."""

    def save(folder: Path, labels: Sequence[str] = ("low", "middle", "high"), **more: Any) -> Path:
        from transformers import Wav2Vec2FeatureExtractor

        from wav2vec2_conformer import (
            Wav2Vec2ConformerConfig,
            Wav2Vec2ConformerForSequenceClassification,
        )

        torch.manual_seed(0)
        model = Wav2Vec2ConformerForSequenceClassification(
            Wav2Vec2ConformerConfig(
                **LAYER_NORM_CONFIG,
                classifier_proj_size=8,
                id2label=dict(enumerate(labels)),
                label2id={label: number for number, label in enumerate(labels)},
                **more,
            )
        )
        torch.nn.init.normal_(model.projector.weight)
        torch.nn.init.normal_(model.classifier.weight, std=0.2)
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def save_head() -> Callable[..., Path]:
    """Save a model of another task with the encoder of a checkpoint and a random head."""

    def save(class_name: str, encoder: Path, folder: Path, **values: Any) -> Path:
        from transformers import Wav2Vec2FeatureExtractor

        import wav2vec2_conformer

        config = wav2vec2_conformer.Wav2Vec2ConformerConfig.from_pretrained(encoder, **values)
        torch.manual_seed(1)
        model = getattr(wav2vec2_conformer, class_name).from_pretrained(encoder, config=config)
        for parameter in (model.classifier.weight, model.layer_weights):
            if parameter is not None:
                torch.nn.init.normal_(parameter, std=2.0)
        model.save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
        return folder

    return save


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, where everything is installed, fail what is skipped and not `may_skip`."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("may_skip")
    if _in_ci() and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole (`pytest.importorskip`)."""
    report = yield
    if _in_ci() and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"
    return report


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: archives hold the time, and workers must agree on names."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Say how a test process ended that vanished: by itself, or by which signal."""
    if error is not None:
        code = node.gateway._io.popen.wait(timeout=30)
        sys.stderr.write(f"\n{node.gateway.id} ended with {code} (below 0: by that signal)\n")
