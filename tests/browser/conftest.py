"""The page in a headless Chromium, with a server and a microphone that plays a file."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.server.running import serve_in_thread
from wav2vec2_conformer.server.settings import ServerSettings

RATE_HZ = 16_000
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    settings = ServerSettings(port=0, device="cpu", classification_model="none", num_decoders=1)
    with serve_in_thread(settings) as address:
        yield address


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some seconds of speech."""
    [clip] = [path for path in bundled_clips() if path.stem == "weasels"]
    path = tmp_path_factory.mktemp("speech") / "weasels.wav"
    soundfile.write(path, load_audio(clip)[: 6 * RATE_HZ], RATE_HZ)
    return path


@pytest.fixture(scope="module")
def browser(speech: Path) -> Iterator[Any]:
    """Chromium; its microphone hears the speech, again and again with a pause.

    It ends with these tests: processes that others fork would keep its driver's input open, and
    the driver would wait for them.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed here")
    heard = speech.with_name("microphone.wav")
    samples = soundfile.read(speech)[0]
    soundfile.write(heard, np.concatenate([samples, np.zeros(2 * RATE_HZ)]), RATE_HZ)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={heard}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_page(browser: Any, address: str) -> Callable[[], AbstractContextManager[Any]]:
    """Open the page; whatever it logs as an error, or asks of another host, is a failure."""

    @contextmanager
    def run() -> Iterator[Any]:
        context = browser.new_context(accept_downloads=True)
        context.set_default_timeout(30_000)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda entry: entry.type == "error" and complaints.append(entry.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((address, "blob:"))
                or complaints.append(f"asked for {request.url}")
            ),
        )
        page.goto(address)
        yield page
        context.close()
        # Chromium logs answers such as 422 by itself.
        assert [text for text in complaints if "Failed to load resource" not in text] == []

    return run


@pytest.fixture
def page(open_page: Callable[[], AbstractContextManager[Any]]) -> Iterator[Any]:
    """The page as it is opened."""
    with open_page() as page:
        yield page


@pytest.fixture(scope="module")
def shown(open_page: Callable[[], AbstractContextManager[Any]], speech: Path) -> Iterator[Any]:
    """The page with a transcript."""
    with open_page() as page:
        page.set_input_files("#file", speech)
        page.wait_for_selector("#result:not([hidden]) .word")
        yield page


@pytest.fixture
def wait_until() -> Callable[[Any, str], None]:
    """Wait for an expression of the page; Playwright's own way breaks the page's policy."""

    def wait(page: Any, expression: str) -> None:
        deadline = time.monotonic() + 30
        while not page.evaluate(expression):
            assert time.monotonic() < deadline, f"not yet: {expression}"
            page.wait_for_timeout(50)

    return wait
