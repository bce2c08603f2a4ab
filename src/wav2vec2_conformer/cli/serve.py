"""`wav2vec2-conformer serve`: the models behind HTTP."""

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Option

from wav2vec2_conformer.cli.model_flags import ComputeTypeName, silence_loading
from wav2vec2_conformer.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wav2vec2_conformer.server.settings import ServerSettings

_LIMITS, _MODELS, _WORK = "Limits", "Models", "Work"
_HOUSE_MODEL = "bundled one, where there is one"


def serve(
    *,
    models: Annotated[
        list[str] | None,
        Option(
            "-m",
            "--model",
            help="Checkpoint folder or hub name of a speech recognizer; NAME=FOLDER to choose what "
            "clients call it. Again for more; the first is the default.",
            show_default="bundled English model",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    speaker_model: Annotated[
        str | None,
        Option(
            help="Checkpoint that compares voices; none for none.",
            show_default=_HOUSE_MODEL,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    diarization_model: Annotated[
        str | None,
        Option(
            help="Checkpoint that tells who speaks when; none for none.",
            show_default=_HOUSE_MODEL,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    classification_model: Annotated[
        str | None,
        Option(
            help="Checkpoint that labels recordings; none for none.",
            show_default=_HOUSE_MODEL,
            rich_help_panel=_MODELS,
        ),
    ] = None,
    device: Annotated[
        str | None,
        Option(help="auto, cpu, cuda, ...", show_default="auto", rich_help_panel=_MODELS),
    ] = None,
    compute_type: Annotated[
        ComputeTypeName | None,
        Option(
            help="What the models calculate in; auto is what is fastest here, int8 is for CPUs.",
            show_default="float32",
            rich_help_panel=_MODELS,
        ),
    ] = None,
    cuda_graphs: Annotated[
        bool,
        Option(
            "--cuda-graphs",
            help="Replay passes of the recognizers as CUDA graphs; on GPUs.",
            rich_help_panel=_WORK,
        ),
    ] = False,
    host: Annotated[
        str | None,
        Option(help="Address to listen on; 0.0.0.0 for all.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None, Option(help="Port; 0 takes a free one.", show_default="8000")
    ] = None,
    api_keys: Annotated[
        list[str] | None,
        Option(
            "--api-key",
            help="Key that clients must send; again for more. W2VC_API_KEYS keeps it off the list "
            "of processes.",
        ),
    ] = None,
    allowed_origins: Annotated[
        list[str] | None,
        Option("--allow-origin", help="Origin whose pages may call, or *; again for more."),
    ] = None,
    max_upload_mb: Annotated[
        float | None,
        Option(help="Largest request.", show_default="200", rich_help_panel=_LIMITS),
    ] = None,
    max_audio_seconds: Annotated[
        float | None,
        Option(help="Longest recording.", show_default="7200", rich_help_panel=_LIMITS),
    ] = None,
    max_requests: Annotated[
        int | None,
        Option(
            help="Requests at once; others get 429.", show_default="64", rich_help_panel=_LIMITS
        ),
    ] = None,
    max_streams: Annotated[
        int | None,
        Option(help="Live sockets at once.", show_default="16", rich_help_panel=_LIMITS),
    ] = None,
    request_timeout_seconds: Annotated[
        float | None,
        Option(
            help="Longest time from upload to answer.",
            show_default="1800",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    decode_timeout_seconds: Annotated[
        float | None,
        Option(help="Longest time to decode a file.", show_default="60", rich_help_panel=_LIMITS),
    ] = None,
    num_threads: Annotated[
        int | None,
        Option(
            "--threads",
            help="Processor threads of the models; fewer than cores where others compute too.",
            show_default="torch's choice",
            rich_help_panel=_WORK,
        ),
    ] = None,
    batch_seconds: Annotated[
        float | None,
        Option(
            help="Seconds of audio in the model at once.",
            show_default="60",
            rich_help_panel=_WORK,
        ),
    ] = None,
    batch_wait_ms: Annotated[
        float | None,
        Option(
            help="How long an idle model waits for company.",
            show_default="5",
            rich_help_panel=_WORK,
        ),
    ] = None,
    num_decoders: Annotated[
        int | None,
        Option(help="Processes that decode files.", show_default="2", rich_help_panel=_WORK),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        Option(help="Least important level in the log.", show_default="info"),
    ] = None,
    logs_text: Annotated[bool, Option("--log-text", help="Log transcripts too.")] = False,
) -> None:
    """Serve transcription over HTTP, as OpenAI's API has it, live sockets, and a web page.

    Every setting is also read from the environment: W2VC_PORT, W2VC_API_KEYS, W2VC_MAX_AUDIO_S,
    ... (the guide lists them). Flags come first. The log goes to stderr, a line of JSON each.
    """
    flags = {
        "models": models,
        "speaker_model": speaker_model,
        "diarization_model": diarization_model,
        "classification_model": classification_model,
        "device": device,
        "compute_type": compute_type,
        "cuda_graphs": cuda_graphs or None,
        "host": host,
        "port": port,
        "api_keys": api_keys,
        "allowed_origins": allowed_origins,
        "max_upload_mb": max_upload_mb,
        "max_audio_s": max_audio_seconds,
        "max_requests": max_requests,
        "max_streams": max_streams,
        "request_timeout_s": request_timeout_seconds,
        "decode_timeout_s": decode_timeout_seconds,
        "num_threads": num_threads,
        "batch_seconds": batch_seconds,
        "batch_wait_ms": batch_wait_ms,
        "num_decoders": num_decoders,
        "log_level": log_level,
        "logs_text": logs_text or None,
    }
    settings = read_settings(flags)
    run_logged(settings, lambda address: typer.echo(f"Listening on {address}", err=True))


def read_settings(flags: dict[str, Any]) -> "ServerSettings":
    """Return the settings of flags and environment.

    Args:
        flags: Values by the names of `ServerSettings`; None where a flag was not given.

    Raises:
        MissingExtraError: When the extra `server` is not installed.
        typer.BadParameter: When a value is not allowed.
    """
    try:
        from pydantic import ValidationError

        from wav2vec2_conformer.server.settings import ServerSettings
    except ImportError as error:
        raise MissingExtraError("The server", str(error.name), "server") from error
    try:
        return ServerSettings(**{k: v for k, v in flags.items() if v not in (None, [])})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise typer.BadParameter(
            f"{name} (or W2VC_{name.upper()}): {first['msg']}, but is {first['input']!r}."
        ) from error


def run_logged(settings: "ServerSettings", on_listening: "Callable[[str], None]") -> None:
    """Run the server with its log on standard error.

    Raises:
        MissingExtraError: When the extra `server` is not installed.
    """
    # Read when numpy is imported. Its own threads wait busily, and there is nothing large for them
    # to do: with 16 clients they doubled the processor time of a request.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from wav2vec2_conformer.server.request_log import log_as_json
        from wav2vec2_conformer.server.running import run_server
    except ImportError as error:
        raise MissingExtraError("The server", str(error.name), "server") from error
    silence_loading()
    log_as_json(settings.log_level)
    run_server(settings, on_listening=on_listening)
