"""A server from its start to its end."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import uvicorn

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.server.app import build_app
from wav2vec2_conformer.server.model_set import ModelSet, load_models
from wav2vec2_conformer.server.settings import ServerSettings

_MAX_SOCKET_MESSAGE_BYTES = 1 << 20
# Sockets that wait to be accepted, while many clients connect at once.
_BACKLOG = 2048


def run_server(
    settings: ServerSettings, *, on_listening: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until SIGINT or SIGTERM; accepted requests are finished then.

    Args:
        settings: What the server was told.
        on_listening: Called with the address when connections are taken.

    Raises:
        InputError: When the address cannot be listened on.
        Wav2Vec2ConformerError: When a model cannot be loaded.
    """
    failures: list[Exception] = []

    def check(error: Exception | None) -> None:
        if error is not None:
            failures.append(error)
            server.should_exit = True

    server = make_server(settings, on_loaded=check)
    with contextlib.closing(listen(settings.host, settings.port)) as listener:
        on_listening(address_of(listener, settings.host))
        with contextlib.suppress(KeyboardInterrupt):  # how uvicorn ends on Ctrl-C
            asyncio.run(server.serve([listener]))
    if failures:
        raise failures[0]


@contextlib.contextmanager
def serve_in_thread(
    settings: ServerSettings, *, load: Callable[[ServerSettings], ModelSet] = load_models
) -> Iterator[str]:
    """Serve beside other work, as in a notebook or a test.

    Args:
        settings: What the server is told.
        load: Loads the models.

    Yields:
        The server's address, when its models are loaded.

    Raises:
        InputError: When the address cannot be listened on.
        Wav2Vec2ConformerError: When a model cannot be loaded.
    """
    loaded: Future[None] = Future()

    def check(error: Exception | None) -> None:
        if error is None:
            loaded.set_result(None)
        else:
            loaded.set_exception(error)

    server = make_server(settings, load=load, on_loaded=check)
    with contextlib.closing(listen(settings.host, settings.port)) as listener:
        # Not a daemon: it ends with the block, and finishes what was accepted.
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            loaded.result()
            yield address_of(listener, settings.host)
        finally:
            server.should_exit = True
            thread.join()


def make_server(
    settings: ServerSettings,
    *,
    load: Callable[[ServerSettings], ModelSet] = load_models,
    on_loaded: Callable[[Exception | None], None] = lambda _: None,
) -> uvicorn.Server:
    """Return a server of the application that is not started yet; see `build_app`."""
    return uvicorn.Server(
        uvicorn.Config(
            build_app(settings, load=load, on_loaded=on_loaded),
            log_config=None,
            access_log=False,  # the application logs requests itself
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=_MAX_SOCKET_MESSAGE_BYTES,
            timeout_graceful_shutdown=round(settings.shutdown_timeout_s),
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections; port 0 is a free one.

    Raises:
        InputError: When that is not possible.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. Name another with "
            "--host and --port; port 0 takes a free one."
        ) from error
    # Connections inherit it. asyncio sets it for sockets that it has made alone, and without it
    # an answer in two parts takes 40 ms longer.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address of the page behind a socket."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  shown, not listened on
    return f"http://{shown}:{port}"
