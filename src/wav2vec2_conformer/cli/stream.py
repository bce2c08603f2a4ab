"""`wav2vec2-conformer stream`: text while somebody speaks."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console

from wav2vec2_conformer.cli.decoding_flags import (
    Alpha,
    BeamWidth,
    Beta,
    Greedy,
    HotWords,
    HotWordWeight,
    LanguageModelFile,
    decoding_options,
)
from wav2vec2_conformer.cli.interruption import EXIT_INTERRUPTED, UntilInterrupted
from wav2vec2_conformer.cli.model_flags import (
    ComputeType,
    Device,
    ModelName,
    RuntimeName,
    silence_loading,
)
from wav2vec2_conformer.cli.stream_output import live_lines, print_jsonl, print_lines

if TYPE_CHECKING:
    from io import BufferedReader

    import numpy as np
    from numpy.typing import NDArray

    from wav2vec2_conformer.audio.pacing import RealTimePace
    from wav2vec2_conformer.audio.pcm import PcmReader
    from wav2vec2_conformer.inference.stream_events import StreamEvent

_MICROPHONE, _RAW_SAMPLES = "Microphone", "Raw samples from standard input"  # of the help
_READ_BYTES = 1 << 16
# A lag that one notices.
_NOTABLE_LAG_S = 1.0


def stream(
    source: Annotated[
        str | None,
        typer.Argument(help="An audio file, or - for raw samples from standard input."),
    ] = None,
    *,
    microphone: Annotated[
        bool,
        typer.Option("--microphone", help="Listen to it (extra mic).", rich_help_panel=_MICROPHONE),
    ] = False,
    input_device: Annotated[
        str | None,
        typer.Option(help="Number or part of the name.", rich_help_panel=_MICROPHONE),
    ] = None,
    list_microphones: Annotated[
        bool,
        typer.Option("--list-microphones", help="List them and exit.", rich_help_panel=_MICROPHONE),
    ] = False,
    rate: Annotated[
        int, typer.Option(help="Their rate in Hz.", rich_help_panel=_RAW_SAMPLES)
    ] = 16_000,
    channels: Annotated[
        int, typer.Option(min=1, help="Their channels.", rich_help_panel=_RAW_SAMPLES)
    ] = 1,
    pcm_format: Annotated[
        Literal["s16le", "s32le", "f32le"],
        typer.Option("--format", help="Their type.", rich_help_panel=_RAW_SAMPLES),
    ] = "s16le",
    latency: Annotated[
        float,
        typer.Option(help="Seconds until a word is final, about. More is more accurate."),
    ] = 1.0,
    fast: Annotated[
        bool,
        typer.Option("--as-fast-as-possible", help="Do not wait for a file's real time."),
    ] = False,
    model: ModelName = None,
    output_format: Annotated[
        Literal["txt", "jsonl"],
        typer.Option("-f", "--output-format", help="jsonl has every event, with times."),
    ] = "txt",
    device: Device = "auto",
    compute_type: ComputeType = "float32",
    runtime: RuntimeName = "auto",
    greedy: Greedy = False,
    beam_width: BeamWidth = None,
    lm: LanguageModelFile = None,
    alpha: Alpha = None,
    beta: Beta = None,
    hot_words: HotWords = None,
    hot_word_weight: HotWordWeight = None,
) -> None:
    """Transcribe while somebody speaks.

    Each segment becomes a line on stdout when a pause ends it. On a terminal, the line below
    shows what is being said. A file is played at its own pace, in silence. Ctrl-C ends
    listening: what was heard is printed, and the exit code is 130. With a beam, a language
    model or hot words, words are final when their segment is.
    """
    if list_microphones:
        _print_microphones()
        return
    source = _choose_source(source, microphone=microphone)
    decoding = decoding_options(
        model,
        greedy=greedy,
        beam_width=beam_width,
        num_best=None,
        language_model=lm,
        alpha=alpha,
        beta=beta,
        hot_words=hot_words,
        hot_word_weight=hot_word_weight,
    )
    from wav2vec2_conformer.audio.pcm import PcmReader
    from wav2vec2_conformer.audio.truncation import TruncatedAudioWarning
    from wav2vec2_conformer.inference import Transcriber

    silence_loading()
    transcriber = Transcriber.from_pretrained(
        model, device=device, compute_type=compute_type, decoding=decoding, runtime=runtime
    )
    session = transcriber.stream(latency_s=latency)
    pace: RealTimePace | None = None
    with ExitStack() as resources:
        blocks: Iterator[NDArray[np.float32]]
        if source is None:
            blocks = _open_microphone(input_device, session.sample_rate_hz, resources)
        elif source == "-":
            blocks = _iter_stdin(
                PcmReader(
                    "stdin",
                    sample_rate_hz=rate,
                    num_channels=channels,
                    pcm_format=pcm_format,
                    target_rate_hz=session.sample_rate_hz,
                )
            )
        else:
            blocks, pace = _open_file(source, session.sample_rate_hz, resources, is_paced=not fast)
        show = _choose_output(output_format, resources)
        caught = resources.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always", TruncatedAudioWarning)
        listening = UntilInterrupted(blocks)
        for block in listening:
            _show_all(session.feed(block), show)
        lag_s = pace.lag_s if pace is not None else 0.0
        _show_all(session.finish(), show)
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    if lag_s > _NOTABLE_LAG_S:
        typer.echo(
            f"warning: the model is slower than real time here: {lag_s:.1f} s behind after "
            f"{session.heard_s:.1f} s of audio. A higher --latency is less work.",
            err=True,
        )
    if listening.is_interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def _choose_source(source: str | None, *, microphone: bool) -> str | None:
    """Return a path, `-`, or None for the microphone."""
    if microphone:
        if source is not None:
            raise typer.BadParameter("name a file or --microphone, not both.")
        return None
    if source is None:
        source = "-"
        if sys.stdin is None or sys.stdin.isatty():
            raise typer.BadParameter(
                "no input: name an audio file, pipe raw samples in, or use --microphone."
            )
    elif source == "-" and (sys.stdin is None or sys.stdin.isatty()):
        raise typer.BadParameter("standard input is a terminal: pipe raw samples in.")
    return source


def _iter_stdin(reader: "PcmReader") -> Iterator["NDArray[np.float32]"]:
    stdin = cast("BufferedReader", sys.stdin.buffer)
    # What is there, not a whole block: a slow sender is heard at once.
    while data := stdin.read1(_READ_BYTES):
        yield reader.read(data)
    yield reader.finish()


def _open_microphone(
    device: str | None, sample_rate_hz: int, resources: ExitStack
) -> Iterator["NDArray[np.float32]"]:
    from wav2vec2_conformer.audio.microphone import iter_microphone

    number_or_name = int(device) if device is not None and device.isdecimal() else device
    return resources.enter_context(
        closing(iter_microphone(number_or_name, sample_rate_hz=sample_rate_hz))
    )


def _open_file(
    source: str, sample_rate_hz: int, resources: ExitStack, *, is_paced: bool
) -> tuple[Iterator["NDArray[np.float32]"], "RealTimePace | None"]:
    from wav2vec2_conformer.audio import AudioBlocks
    from wav2vec2_conformer.audio.pacing import RealTimePace

    blocks = resources.enter_context(AudioBlocks(source, target_rate_hz=sample_rate_hz))
    if not is_paced:
        return iter(blocks), None
    pace = RealTimePace(sample_rate_hz)
    return pace.pace(blocks), pace


def _choose_output(output_format: str, resources: ExitStack) -> Callable[["StreamEvent"], None]:
    if output_format == "jsonl":
        return print_jsonl
    if sys.stdout.isatty():
        return resources.enter_context(live_lines(Console()))
    return print_lines


def _show_all(events: list[Any], show: Callable[["StreamEvent"], None]) -> None:
    for event in events:
        show(event)


def _print_microphones() -> None:
    from wav2vec2_conformer.audio.microphone import list_microphones

    microphones = list_microphones()
    for microphone in microphones:
        mark = "*" if microphone.is_default else " "
        typer.echo(
            f"{mark} {microphone.number:>3}  {microphone.name}  ({microphone.sample_rate_hz:g} Hz)"
        )
    if not microphones:
        typer.echo("no device can record.", err=True)
        raise typer.Exit(1)
