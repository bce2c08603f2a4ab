"""What a server can be told, by flags or by environment variables."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Texts of the environment that may hold several values, separated by commas.
_Texts = Annotated[tuple[str, ...], NoDecode]
# In place of a checkpoint's name: leave the task out.
NO_MODEL = "none"


class ServerSettings(BaseSettings):
    """All settings; each is also read from `W2VC_` and its name in upper case.

    Attributes:
        models: Speech recognizers: folders or hub names, each perhaps with the name that
            clients use before it (`whisper-1=./checkpoint`). The first answers where none is
            named. Empty: the bundled one.
        speaker_model: Checkpoint that compares voices; None for the bundled head, where the
            package holds one; `none` for none. So for the next two.
        diarization_model: Checkpoint that tells who speaks when.
        classification_model: Checkpoint that labels recordings.
        device: `auto`, or a torch device.
        compute_type: What the models calculate in; `auto` is what is fastest here.
        cuda_graphs: Replays the passes of speech recognizers as CUDA graphs.
        num_threads: Processor threads of the models; None for torch's own choice.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        api_keys: Keys of which a client must send one; empty lets everybody in.
        allowed_origins: Other origins whose pages may call (CORS), such as
            `https://example.org`; `*` for all.
        max_upload_mb: Largest request in megabytes.
        max_audio_s: Longest recording in seconds.
        max_requests: Requests that are in the house at once; one more is refused with 429.
        max_streams: Live sockets at once.
        max_stream_s: Longest audio of a live socket in seconds.
        batch_seconds: Seconds of audio that the model sees at once.
        batch_wait_ms: How long an idle model waits for company for a window.
        window_s: Longest piece of a recording that the model sees at once.
        context_s: Part of it on each side that is context only.
        num_decoders: Processes that decode audio files.
        decode_timeout_s: Longest time to decode one file.
        decode_memory_mb: What a decoding process may use beyond its start, in megabytes.
        upload_timeout_s: Longest time for an upload.
        request_timeout_s: Longest time from the upload's end to the answer.
        idle_timeout_s: A live socket that sends nothing for so long is closed.
        shutdown_timeout_s: Longest time to finish accepted requests when the server stops.
        log_level: Least important level that is logged.
        logs_text: Whether transcripts are logged.
    """

    model_config = SettingsConfigDict(env_prefix="W2VC_", extra="forbid")

    models: _Texts = ()
    speaker_model: str | None = None
    diarization_model: str | None = None
    classification_model: str | None = None
    device: str = "auto"
    compute_type: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "float32"
    cuda_graphs: bool = False
    num_threads: Annotated[int | None, Field(ge=1)] = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    api_keys: Annotated[_Texts, Field(repr=False)] = ()
    allowed_origins: _Texts = ()
    max_upload_mb: Annotated[float, Field(gt=0)] = 200.0
    max_audio_s: Annotated[float, Field(gt=0)] = 7200.0
    max_requests: Annotated[int, Field(ge=1)] = 64
    max_streams: Annotated[int, Field(ge=0)] = 16
    max_stream_s: Annotated[float, Field(gt=0)] = 14_400.0
    batch_seconds: Annotated[float, Field(gt=0)] = 60.0
    batch_wait_ms: Annotated[float, Field(ge=0)] = 5.0
    window_s: Annotated[float, Field(gt=0)] = 30.0
    context_s: Annotated[float, Field(gt=0)] = 3.0
    num_decoders: Annotated[int, Field(ge=1)] = 2
    decode_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    decode_memory_mb: Annotated[int, Field(ge=64)] = 512
    upload_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    request_timeout_s: Annotated[float, Field(gt=0)] = 1800.0
    idle_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    shutdown_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    logs_text: bool = False

    @field_validator("models", "api_keys", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Read one text as values between commas."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def max_upload_bytes(self) -> int:
        """Largest request in bytes."""
        return int(self.max_upload_mb * 1e6)
