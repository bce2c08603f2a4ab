"""The server as a Ray Serve application: replicas on one machine or on many.

    serve run wav2vec2_conformer.scale.serving:app replicas=1:4 cpus=2

Each replica is the application of `server.app` with models of its own. Settings are those of
`serve`, from the environment of the command; host and port are Ray Serve's.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wav2vec2_conformer.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from ray.serve import Application
    from starlette.types import ASGIApp

    from wav2vec2_conformer.server.settings import ServerSettings

# Beyond what a replica takes: they get its 429, and /health and /metrics their answers.
_SPARE_REQUESTS = 32
_DEFAULTS = (("cpus", "1"), ("gpus", "0"))


def app(options: Mapping[str, str]) -> "Application":
    """Return the application that `serve run` and `serve deploy` start.

    Args:
        options: `replicas`, a number or MIN:MAX (1); `cpus` and `gpus` of each (1, 0).

    Raises:
        InputError: When there is another option, or one is no number.
        MissingExtraError: When Ray Serve or the server's packages are not installed.
    """
    unknown = set(options) - {"replicas", "cpus", "gpus"}
    replicas = re.fullmatch(r"(\d+)(?::(\d+))?", str(options.get("replicas", "1")))
    if unknown or replicas is None:
        given = " ".join(f"{key}={value}" for key, value in options.items())
        raise InputError(f"allowed are replicas=N or MIN:MAX, cpus=N and gpus=N, but got {given}.")
    try:
        cpus, gpus = (float(options.get(name, default)) for name, default in _DEFAULTS)
    except ValueError as error:
        raise InputError(f"cpus and gpus must be numbers: {error}.") from error
    lowest = int(replicas[1])
    return make_application(
        min_replicas=lowest, max_replicas=int(replicas[2] or lowest), num_cpus=cpus, num_gpus=gpus
    )


def make_application(
    settings: "ServerSettings | None" = None,
    *,
    min_replicas: int = 1,
    max_replicas: int = 1,
    num_cpus: float = 1.0,
    num_gpus: float = 0.0,
) -> "Application":
    """Return the application for `ray.serve.run`.

    Args:
        settings: What the server is told; None reads them from the environment.
        min_replicas: How many there are at least; Ray Serve adds and removes the others by the
            requests that wait.
        max_replicas: How many there are at most.
        num_cpus: Processors of each; the model has as many threads unless the settings say.
        num_gpus: GPUs of each.

    Raises:
        InputError: When a number is out of range.
        MissingExtraError: When Ray Serve or the server's packages are not installed.
    """
    if not 1 <= min_replicas <= max_replicas:
        raise InputError(
            "there must be at least one replica and not fewer at most than at least, but got "
            f"{min_replicas} to {max_replicas}."
        )
    try:
        from ray import serve  # noqa: PLC0415 - of an extra, as what the settings need

        from wav2vec2_conformer.server.settings import ServerSettings  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Ray Serve", str(error.name), "ray,server") from error
    told = settings or ServerSettings()
    if told.num_threads is None:
        told = told.model_copy(update={"num_threads": max(1, round(num_cpus))})
    at_once = told.max_requests + told.max_streams + _SPARE_REQUESTS
    options: dict[str, Any] = {
        "name": "wav2vec2-conformer",
        "max_ongoing_requests": at_once,
        "graceful_shutdown_timeout_s": told.shutdown_timeout_s,
        "ray_actor_options": {"num_cpus": num_cpus, "num_gpus": num_gpus},
    }
    if min_replicas == max_replicas:
        options["num_replicas"] = min_replicas
    else:
        options["autoscaling_config"] = {
            "min_replicas": min_replicas,
            "max_replicas": max_replicas,
            # More than a few wait for each other: the model runs them one batch at a time.
            "target_ongoing_requests": 4,
        }

    def build() -> "ASGIApp":
        """Load the models first: a replica is ready when it has them."""
        from wav2vec2_conformer.server.app import build_app  # noqa: PLC0415
        from wav2vec2_conformer.server.model_set import load_models  # noqa: PLC0415
        from wav2vec2_conformer.server.request_log import log_as_json  # noqa: PLC0415

        log_as_json(told.log_level)
        models = load_models(told)
        return build_app(told, load=lambda _: models)

    return serve.deployment(**options)(serve.ingress(build)()).bind()
