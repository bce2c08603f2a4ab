"""`wav2vec2-conformer export`: a model as a graph for ONNX Runtime, OpenVINO or other programs."""

import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Option

from wav2vec2_conformer.cli.model_flags import AnyModelName, silence_loading

_MB = 1e6
_TITLES = {"torch": "torch", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}


def export(
    *,
    model: AnyModelName = None,
    output_dir: Annotated[Path, Option("-o", "--output-dir", help="Folder to write.")],
    to: Annotated[Literal["onnx", "openvino"], Option(help="Kind of graph.")] = "onnx",
    int8: Annotated[
        bool, Option("--int8", help="Quantize the linear layers; convolutions stay in float32.")
    ] = False,
    head: Annotated[
        Literal["ctc", "classification", "frame-classification", "xvector", "features"] | None,
        Option(
            help="What to export; features are the encoder's frames.", show_default="the model's"
        ),
    ] = None,
    layout: Annotated[
        Literal["transformers", "onnx-asr", "sherpa-onnx"],
        Option(help="Program to run it: this package (transformers), or another."),
    ] = "transformers",
    speech: Annotated[
        Path | None,
        Option(
            help="Manifest (JSON Lines: audio_filepath, duration, text) to measure word error "
            "rates on, before and after.",
            show_default="the clips in the package, if the model can spell English",
        ),
    ] = None,
    output_format: Annotated[
        Literal["text", "json"],
        Option("-f", "--output-format", help="On stdout: lines, or what report.json holds."),
    ] = "text",
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an older export.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No messages.")] = False,
) -> None:
    """Export a model as a graph, for any length and any batch.

    The graph is compared with torch on several lengths and on a padded batch; differences, speed
    and word error rates go to stdout and into report.json. The folder appears complete or not at
    all.
    """
    import json

    from wav2vec2_conformer.export import export_model

    silence_loading()
    start_s = time.monotonic()

    def tell(step: str) -> None:
        if not quiet:
            typer.echo(f"{time.monotonic() - start_s:6.1f} s  {step}", err=True)

    report = export_model(
        model,
        output_dir,
        to=to,
        int8=int8,
        head=head,
        layout=layout,
        speech=speech,
        overwrite=overwrite,
        on_step=tell,
    )
    if output_format == "json":
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        _print_report(report, output_dir)


def _print_report(report: dict[str, Any], folder: Path) -> None:
    """Print what a person wants to know of an export."""
    worst = max(report["differences"], key=lambda case: case["largest"])
    times = report["runtimes"]
    speed = times[report["to"]]
    threads = f"{speed['num_threads']} thread{'' if speed['num_threads'] == 1 else 's'}"
    seconds = {"torch": speed["torch_s"]}
    # The torch beside which each was timed is the measure of all.
    for runtime, beside in times.items():
        seconds[runtime] = speed["torch_s"] * beside["exported_s"] / beside["torch_s"]
    graph_mb, weights_mb = report["graph_bytes"] / _MB, report["weight_bytes"] / _MB
    lines = {
        "graph": f"{folder / report['file']} ({report['head']}, {report['precision']}, "
        f"{report['layout']} layout)",
        "size": f"{graph_mb:.1f} MB, in torch {weights_mb:.1f} MB",
        "difference": f"at most {worst['largest']:.2g}, where outputs reach {worst['scale']:.3g}",
        "speed": f"{speed['audio_s']:g} s of audio in "
        + ", ".join(f"{value:.3f} s ({_TITLES[runtime]})" for runtime, value in seconds.items())
        + f", {threads}",
    }
    errors = report.get("word_errors")
    if errors is not None:
        said = "bundled English clips" if errors["manifest"] is None else "utterances"
        lines["WER"] = (
            f"{errors['exported_percent']:.2f} %, in torch {errors['torch_percent']:.2f} % "
            f"({errors['num_utterances']} {said}, greedy)"
        )
    for name, text in lines.items():
        typer.echo(f"{name:<11} {text}")
