"""A checkpoint to a folder with its graph, what programs want beside it, and a report."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wav2vec2_conformer.checkpoints.graph_file import (
    ONNX_INT8_NAME,
    ONNX_NAME,
    OPENVINO_NAME,
    REPORT_NAME,
    has_weights,
)
from wav2vec2_conformer.checkpoints.transformers_writing import remove
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.export import (
    onnx_asr_layout,
    parity,
    sherpa_onnx_layout,
    transformers_layout,
)
from wav2vec2_conformer.export.heads import HeadName, LoadedHead, load_head
from wav2vec2_conformer.export.onnx_writing import check_packages, write_onnx
from wav2vec2_conformer.export.openvino_writing import write_openvino
from wav2vec2_conformer.export.quantization import quantize_linear_layers
from wav2vec2_conformer.export.traced_head import TracedHead
from wav2vec2_conformer.export.word_errors import can_spell_clips, measure_word_errors
from wav2vec2_conformer.inference.exported_folder import Runtime, installed_runtimes, open_graph

Target: TypeAlias = Literal["onnx", "openvino"]
Layout: TypeAlias = Literal["transformers", "onnx-asr", "sherpa-onnx"]

# Of a graph in float32, in units of its largest output where that is above 1.
TOLERANCE = 1e-4
_LAYOUTS: dict[Layout, Any] = {
    "transformers": transformers_layout,
    "onnx-asr": onnx_asr_layout,
    "sherpa-onnx": sherpa_onnx_layout,
}


def export_model(
    checkpoint: str | Path | None,
    output_dir: str | Path,
    *,
    to: Target = "onnx",
    int8: bool = False,
    head: HeadName | None = None,
    layout: Layout = "transformers",
    speech: str | Path | None = None,
    overwrite: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write a model as a graph, compare it with torch, and report.

    The folder appears complete or not at all.

    Args:
        checkpoint: A folder, a name on the hub, or None for the bundled English model.
        output_dir: The folder to write.
        to: `onnx`, or `openvino`.
        int8: Quantize the linear layers (`onnx` only).
        head: What to export; None for the head that the checkpoint has.
        layout: `transformers`, which this package and transformers' tools run, or the program
            that is to run it: `onnx-asr`, `sherpa-onnx`.
        speech: Manifest of speech (JSON Lines with audio_filepath, duration, text) to measure
            word error rates on, before and after; `transformers` layout of CTC models only. None
            for the English clips of this package, where the vocabulary can spell them.
        overwrite: Replace an older export.
        on_step: Called with what begins.

    Returns:
        What `report.json` in the folder holds.

    Raises:
        CheckpointError: The checkpoint cannot be read, has no such head, cannot be traced, or
            its graph differs from it.
        InputError: The arguments do not go together, or the folder exists.
        ManifestError: The manifest cannot be used.
        MissingExtraError: A package is not installed.
    """
    folder = Path(output_dir)
    _check_arguments(to, layout, int8=int8)
    _check_folder(folder, overwrite=overwrite)
    check_packages(to_openvino=to == "openvino")
    on_step("loading the model")
    loaded = load_head(checkpoint, head)
    traced = _LAYOUTS[layout].trace(loaded)
    if speech is not None and (loaded.name != "ctc" or layout != "transformers"):
        raise InputError(
            "word error rates need a CTC head and the transformers layout, which this package "
            f"can run; got {loaded.name} and {layout}. Leave speech out, or export both layouts."
        )
    partial = folder.with_name(f"{folder.name}.partial")
    remove(partial)
    try:
        partial.mkdir(parents=True)
        path = _write_graph(traced, partial, to, int8=int8, on_step=on_step)
        on_step("writing the files beside it")
        _LAYOUTS[layout].write_files(loaded, partial)
        on_step("comparing it with torch")
        report = _compare(loaded, traced, path, to, int8=int8, layout=layout)
        if loaded.name == "ctc" and layout == "transformers":  # which this package runs
            on_step("timing it in the other runtimes")
            report["runtimes"] |= _measure_others(traced, path, to, int8=int8, on_step=on_step)
            if speech is not None or can_spell_clips(loaded):
                on_step(f"measuring word errors on {speech or 'the bundled clips'}")
                report["word_errors"] = measure_word_errors(loaded, partial, to, speech)
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (partial / REPORT_NAME).write_text(text, encoding="utf-8")
        remove(folder)
        partial.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return json.loads(text)


def _check_arguments(to: str, layout: str, *, int8: bool) -> None:
    if to not in get_args(Target):
        raise InputError(f"to must be one of {', '.join(get_args(Target))}, but is {to!r}.")
    if layout not in get_args(Layout):
        raise InputError(f"layout must be one of {', '.join(get_args(Layout))}, but is {layout!r}.")
    if to == "openvino" and layout != "transformers":
        raise InputError(f"{layout} runs ONNX files; use --to onnx.")
    if to == "openvino" and int8:
        raise InputError(
            "int8 is for ONNX files: the bundled model, quantized, took longer in OpenVINO than in "
            "float32. Use --to onnx; OpenVINO can run that file too."
        )


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file. Name a folder to write.")
    entries = list(folder.iterdir())
    if entries and not overwrite:
        raise InputError(f"{folder}: is there already; --overwrite replaces an older export.")
    is_export = (folder / REPORT_NAME).is_file() and all(entry.is_file() for entry in entries)
    # A checkpoint may have an export's files beside its weights.
    if entries and (has_weights(folder) or not is_export):
        raise InputError(f"{folder}: is no export of this command, and is not replaced.")


def _write_graph(
    traced: TracedHead, folder: Path, to: Target, *, int8: bool, on_step: Callable[[str], None]
) -> Path:
    """Write the graph alone into the folder, and return its file."""
    path = folder / ONNX_NAME
    on_step("tracing the model and writing its graph")
    write_onnx(traced, path)
    if to == "onnx" and not int8:
        return path
    target = folder / (ONNX_INT8_NAME if int8 else OPENVINO_NAME)
    if int8:
        on_step("quantizing the linear layers")
        quantize_linear_layers(path, target)
    else:
        on_step("converting the graph to OpenVINO's")
        write_openvino(path, target)
    path.unlink()
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    return target


def _compare(
    loaded: LoadedHead, traced: TracedHead, path: Path, to: Target, *, int8: bool, layout: Layout
) -> dict[str, Any]:
    """Return what is reported of a graph.

    Raises:
        CheckpointError: A graph in float32 is not equal to its model.
    """
    graph = open_graph(path, to)
    differences = parity.measure_differences(traced, graph)
    worst = _worst(differences)
    if not int8 and not worst <= TOLERANCE:
        raise CheckpointError(
            f"{loaded.place}: the exported graph differs from the model by {worst:.2g} (of at "
            f"most {TOLERANCE:g} that are allowed), so nothing was written."
        )
    num_bytes = sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}.*"))
    return {
        "schema_version": 1,
        "checkpoint": str(loaded.place),
        "head": loaded.name,
        "layout": layout,
        "to": to,
        "precision": "int8" if int8 else "float32",
        "file": path.name,
        "graph_bytes": num_bytes,
        "weight_bytes": sum(
            parameter.numel() * parameter.element_size() for parameter in loaded.model.parameters()
        ),
        "inputs": list(traced.inputs),
        "outputs": list(traced.outputs),
        "largest_difference": float(np.max([case.largest for case in differences])),
        "differences": [asdict(case) for case in differences],
        "runtimes": {to: _measured(differences, parity.measure_speed(traced, graph))},
    }


def _measure_others(
    traced: TracedHead, path: Path, to: Target, *, int8: bool, on_step: Callable[[str], None]
) -> dict[Runtime, dict[str, Any]]:
    """Return what is reported of other runtimes that are installed and run the graph rightly.

    One that does not is told of and left out: there is still the one that was asked for.
    """
    found = {}
    for runtime in installed_runtimes(path):
        if runtime == to:
            continue
        try:
            graph = open_graph(path, runtime)
            differences = parity.measure_differences(traced, graph, parity.PARITY_CASES_S[-1:])
            speed = parity.measure_speed(traced, graph)
        except (CheckpointError, RuntimeError) as error:
            on_step(f"left out {runtime}, which cannot run it: {' '.join(str(error).split())}")
            continue
        if int8 or _worst(differences) <= TOLERANCE:
            found[runtime] = _measured(differences, speed)
        else:
            on_step(f"left out {runtime}, which differs by {_worst(differences):.2g}")
    return found


def _measured(differences: list[parity.Difference], speed: parity.SpeedBeside) -> dict[str, Any]:
    return {
        "largest_difference": float(np.max([case.largest for case in differences])),
        **asdict(speed),
    }


def _worst(differences: list[parity.Difference]) -> float:
    return float(np.max([case.largest / max(1.0, case.scale) for case in differences]))
