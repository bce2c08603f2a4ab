"""A Ray cluster: one on this machine for the time of a job, or one that runs."""

import importlib.util
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wav2vec2_conformer.errors import InputError, MissingExtraError

LOCAL = "local"
# Blocks of a job are lists of names.
_OBJECT_STORE_BYTES = 128 << 20
# Read by Ray when it is imported or started.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the default of later releases; else it warns
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # errors come as exceptions too
}
_ON_LOOPBACK = {
    # Ray's switch for machines without a cluster; with it all ports are on 127.0.0.1.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    # A machine that is busy starts processes slowly; Ray would give them up and start others.
    "RAY_worker_register_timeout_seconds": "600",
}


def check_installed() -> None:
    """Check that Ray is there, without importing it.

    Raises:
        MissingExtraError: When a package of the extra is not installed.
    """
    for package in ("ray", "pyarrow"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("Transcription on Ray", package, "ray")


@contextmanager
def connect(address: str, *, num_cpus: int | None = None) -> Iterator[None]:
    """Be connected to a cluster for the block; a connection that there is already is used.

    A cluster on this machine (`local`) listens on 127.0.0.1 alone, wants a token that nobody
    else knows, has no dashboard, and ends with the block.

    Args:
        address: `local`; `auto` for a cluster that this machine is part of; or the address of
            one, such as `10.0.0.1:6379` or `ray://10.0.0.1:10001`.
        num_cpus: Processors that a local cluster counts; None for all.

    Raises:
        MissingExtraError: When Ray is not installed.
        InputError: When there is no cluster at the address, or none can be started.
    """
    is_local = address == LOCAL
    for name, value in {**_QUIET, **(_ON_LOOPBACK if is_local else {})}.items():
        os.environ.setdefault(name, value)
    if is_local:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    check_installed()
    import ray  # noqa: PLC0415 - of an extra

    if ray.is_initialized():
        yield
        return
    local: dict[str, Any] = {
        "num_cpus": num_cpus,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    try:
        ray.init(
            address=address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            **(local if is_local else {}),
        )
    except Exception as error:  # Ray's own classes, and plain ones too
        advice = (
            "The machine may be too busy: try again."
            if is_local
            else "Start a cluster with `ray start --head`, or use `local`."
        )
        raise InputError(f"Ray cannot be used at {address}: {error} {advice}") from error
    try:
        yield
    finally:
        ray.shutdown()
