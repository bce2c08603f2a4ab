"""Load and faults: what a server does when many clients come, or bad ones.

    python benchmarks/serving.py [--seconds 20] [--clients 1 4 16 64] [--faults 1000] [--parts load]
                                 [--markdown]

Starts servers of the bundled model on this machine, each in a process of its own with one thread
for the model (the other core decodes, reads and writes, and holds the clients), and sends them
the clips in the package, cut to lengths between one and nine seconds. With batches and one by one
take turns for each number of clients, so that both meet the same machine. Prints a line for each
measurement, with --markdown the table of the documentation, and, last, a line of JSON. `cpu s` is
the processor time of the server and its decoders for one answer: other programs do not change it.
 Ends with 1 when a request was lost: neither answered nor refused.
"""

import argparse
import io
import json
import os
import platform
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RATE_HZ = 16_000
SERVE = "import typer; from wav2vec2_conformer.cli.serve import serve; typer.run(serve)"
LENGTHS_S = (1.0, 2.0, 3.5, 5.0, 9.0)
THREADS = ("--threads", "1")
ONE_BY_ONE = ("--batch-seconds", "0.001", "--batch-wait-ms", "0")
OK = 200
# Shared: each client would make one, which takes 20 ms, and there are many.
TLS = ssl.create_default_context()
# Files and their lengths in seconds; figures by the names of measurements.
Clips = list[tuple[bytes, float]]
Rows = dict[str, dict[str, Any]]


@dataclass
class Outcome:
    """What clients got.

    Attributes:
        statuses: How often each status; `lost` where there was no answer.
        latencies_s: Of the requests that were answered with a result.
        audio_s: Seconds of audio in them.
        duration_s: Of the whole.
        cpu_s: Processor seconds of the server in that time.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0
    duration_s: float = 0.0
    cpu_s: float = 0.0

    def row(self) -> dict[str, Any]:
        """Return the figures."""
        ordered = sorted(self.latencies_s) or [float("nan")]
        return {
            "requests": sum(self.statuses.values()),
            "statuses": dict(self.statuses),
            "per_s": round(self.statuses[str(OK)] / self.duration_s, 2),
            "audio_x": round(self.audio_s / self.duration_s, 1),
            **{
                f"p{share}_s": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 3)
                for share in (50, 95, 99)
            },
            "cpu_s": round(self.cpu_s / max(1, len(self.latencies_s)), 4),
        }


def make_clips() -> Clips:
    """Return files and their lengths in seconds."""
    import soundfile

    from wav2vec2_conformer.audio import load_audio
    from wav2vec2_conformer.checkpoints.bundled import bundled_clips

    clips = []
    for path in bundled_clips():
        waveform = load_audio(path)
        for length_s in LENGTHS_S:
            samples = waveform[: round(length_s * RATE_HZ)]
            buffer = io.BytesIO()
            soundfile.write(buffer, samples, RATE_HZ, format="WAV", subtype="PCM_16")
            clips.append((buffer.getvalue(), len(samples) / RATE_HZ))
    return clips


@contextmanager
def server(*flags: str, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server; yield its address, when it is ready, and the process."""
    command = [sys.executable, "-c", SERVE, "--port", str(port), "--log-level", "error"]
    command += [*THREADS, *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield wait_until_ready(process), process
    finally:
        process.terminate()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str]) -> str:
    """Return the address of a server that has its models."""
    import httpx

    stderr = process.stderr
    line = stderr.readline() if stderr is not None else ""
    found = re.search(r"http://\S+", line)
    if found is None:
        raise RuntimeError(f"the server did not start: {line}")
    while httpx.get(f"{found[0]}/ready", timeout=60).status_code != OK:
        time.sleep(0.05)
    # Nobody reads on: let what comes go nowhere.
    threading.Thread(target=lambda: list(stderr or ()), daemon=True).start()
    return found[0]


def send(client: Any, address: str, clip: tuple[bytes, float], outcome: Outcome) -> None:
    """Send one request and note what comes of it."""
    import httpx

    start = time.perf_counter()
    try:
        answer = client.post(f"{address}/v1/audio/transcriptions", files={"file": clip[0]})
    except httpx.HTTPError as error:
        outcome.statuses["refused" if isinstance(error, httpx.ConnectError) else "lost"] += 1
        return
    outcome.statuses[str(answer.status_code)] += 1
    if answer.status_code == OK:
        outcome.latencies_s.append(time.perf_counter() - start)
        outcome.audio_s += clip[1]


def load(address: str, pid: int, num_clients: int, seconds: float, clips: Clips) -> Outcome:
    """Let clients send one request after another for a while."""
    import httpx

    outcome = Outcome()
    before_s = processor_s(pid)
    start = time.perf_counter()

    def run(number: int) -> None:
        choices = random.Random(number)  # noqa: S311  the same clips for every server
        with httpx.Client(verify=TLS, timeout=300) as client:
            while time.perf_counter() - start < seconds:
                send(client, address, choices.choice(clips), outcome)

    run_threads(num_clients, run)
    outcome.duration_s = time.perf_counter() - start
    outcome.cpu_s = processor_s(pid) - before_s
    return outcome


def processor_s(pid: int) -> float:
    """Return the processor seconds of a server and its decoders so far."""
    import psutil

    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    ended_s = times[0].children_user + times[0].children_system
    return ended_s + sum(each.user + each.system for each in times)


def run_threads(num_threads: int, run: Callable[[int], None]) -> None:
    """Run a function in threads, each with its number."""
    threads = [threading.Thread(target=run, args=(number,)) for number in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_mb(pid: int) -> list[float]:
    """Return the memory of a process now, and the most that it has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    kilobytes = dict(re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB", status, re.MULTILINE))
    return [round(int(kilobytes[key]) * 1024 / 1e6) for key in ("VmRSS", "VmHWM")]


def show(name: str, row: dict[str, Any]) -> None:
    """Print a line of the table."""
    times = "".join(f"{row[f'p{share}_s']:>9.3f}" for share in (50, 95, 99))
    numbers = f"{row['per_s']:>9.2f}{row['audio_x']:>9.1f}{times}{row['cpu_s']:>9.3f}"
    print(f"{name:<28}{numbers}  {describe(row)}", flush=True)


def describe(row: dict[str, Any]) -> str:
    """Return the answers of a measurement in words."""
    return ", ".join(f"{status}: {count}" for status, count in sorted(row["statuses"].items()))


def as_markdown(rows: Rows) -> str:
    """Return the table of the documentation."""
    lines = [
        "| | requests per s | audio x | p50 s | p95 s | p99 s | CPU s per answer | answers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        numbers = [f"{row[key]:.1f}" for key in ("per_s", "audio_x")]
        numbers += [f"{row[key]:.3f}" for key in ("p50_s", "p95_s", "p99_s", "cpu_s")]
        lines.append(f"| {name} | {' | '.join(numbers)} | {describe(row)} |")
    return "\n".join(lines)


def measure_load(args: argparse.Namespace, clips: Clips) -> Rows:
    """Measure numbers of clients, with and without batches, in turns."""
    rows = {}
    inside = ("--max-requests", str(max(args.clients)))
    with server(*inside) as batching, server(*inside, *ONE_BY_ONE) as single:
        servers = {"batches": batching, "one by one": single}
        for address, process in servers.values():
            load(address, process.pid, 2, 2.0, clips)  # what is slow the first time
        for num_clients in args.clients:
            for kind, (address, process) in servers.items():
                name = f"{kind}, {num_clients} client{'s' * (num_clients > 1)}"
                rows[name] = load(address, process.pid, num_clients, args.seconds, clips).row()
                show(name, rows[name])
    return rows


def measure_overload(args: argparse.Namespace, clips: Clips) -> Rows:
    """Send from four times as many clients as the server takes."""
    num_inside = 16
    with server("--max-requests", str(num_inside)) as (address, process):
        load(address, process.pid, num_inside, args.seconds / 2, clips)
        before_mb, _ = memory_mb(process.pid)
        outcome = load(address, process.pid, 4 * num_inside, args.seconds, clips)
        row = {
            **outcome.row(),
            "memory_mb": [before_mb, *memory_mb(process.pid)],
        }
    show("4 times overload", row)
    print(f"    memory in MB before, after, at most: {row['memory_mb']}")
    return {"4 times overload": row}


def measure_faults(args: argparse.Namespace, clips: Clips) -> Rows:
    """Send malformed files, and leave in the middle of uploads, while others work."""
    import httpx

    with server() as (address, process):
        load(address, process.pid, 2, 2.0, clips)
        (before_mb, _), before_s = memory_mb(process.pid), processor_s(process.pid)
        malformed = Outcome()
        rng = random.Random(0)  # noqa: S311  not for secrets
        start = time.perf_counter()

        def be_bad(_number: int) -> None:
            with httpx.Client(verify=TLS, timeout=60) as client:
                for _ in range(args.faults // 4):
                    content = bytearray(rng.choice(clips)[0][:4000])
                    for _ in range(rng.randrange(1, 60)):
                        # Mostly behind the mark that says what kind of file it is.
                        content[rng.randrange(rng.choice((0, 4, 4, 4)), 80)] = rng.randrange(256)
                    send(
                        client, address, (bytes(content[: rng.randrange(1, 4000)]), 0.1), malformed
                    )
            for _ in range(args.faults // 40):
                leave_in_upload(address)

        run_threads(4, be_bad)
        malformed.duration_s = time.perf_counter() - start
        malformed.cpu_s = processor_s(process.pid) - before_s
        time.sleep(1.0)
        metrics = httpx.get(f"{address}/metrics").text
        inside = re.search(r"^w2vc_requests_inside (\S+)", metrics, re.MULTILINE)
        good = load(address, process.pid, 2, 2.0, clips)
        row = {
            **malformed.row(),
            "per_s": round(sum(malformed.statuses.values()) / malformed.duration_s, 2),
            "cpu_s": round(malformed.cpu_s / sum(malformed.statuses.values()), 4),
            "gone_mid_upload": 4 * (args.faults // 40),
            "inside_after": float(inside[1]) if inside else None,
            "good_after": dict(good.statuses),
            "memory_mb": [before_mb, *memory_mb(process.pid)],
        }
    show(f"{args.faults} malformed", row)
    print(
        f"    {row['gone_mid_upload']} clients killed mid-upload; {row['inside_after']:g} requests "
        f"left inside; then {row['good_after']}; memory in MB before, after, at most: "
        f"{row['memory_mb']}"
    )
    return {f"{args.faults} malformed": row}


def leave_in_upload(address: str) -> None:
    """Begin an upload and end the connection."""
    host, port = address.removeprefix("http://").split(":")
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + bytes(100_000))


def measure_restart(args: argparse.Namespace, clips: Clips) -> Rows:
    """Stop a server under load and start it again; clients that find none try again."""
    import httpx

    outcome = Outcome()
    start = time.perf_counter()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stop = threading.Event()

    def run(number: int) -> None:
        choices = random.Random(number)  # noqa: S311
        # A connection for each request: an old one may be closed in the moment that it is used.
        with httpx.Client(verify=TLS, timeout=300, headers={"connection": "close"}) as client:
            while not stop.is_set():
                num_answered = outcome.statuses[str(OK)]
                send(client, f"http://127.0.0.1:{port}", choices.choice(clips), outcome)
                if outcome.statuses[str(OK)] == num_answered:
                    time.sleep(0.2)  # it is down, or loads its models

    with server(port=port) as (_, process):
        clients = threading.Thread(target=run_threads, args=(8, run))
        clients.start()
        time.sleep(args.seconds / 2)
        outcome.cpu_s = processor_s(process.pid)
        process.send_signal(signal.SIGTERM)
        exit_code = process.wait()
        before = Counter(outcome.statuses)
    with server(port=port) as (_, process):
        time.sleep(args.seconds / 2)
        stop.set()
        clients.join()
        outcome.cpu_s += processor_s(process.pid)
    outcome.duration_s = time.perf_counter() - start
    after = outcome.statuses[str(OK)] - before[str(OK)]
    row = {**outcome.row(), "exit_code": exit_code, "answered_after_restart": after}
    show("restart under load", row)
    return {"restart under load": row}


def main() -> int:
    """Measure all parts and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--faults", type=int, default=1000, help="malformed uploads")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=tuple(PARTS),
        default=list(PARTS),
        help="what to measure",
    )
    parser.add_argument("--markdown", action="store_true", help="print a table for the docs")
    args = parser.parse_args()
    import torch

    import wav2vec2_conformer

    clips = make_clips()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    names = ("per s", "audio x", "p50 s", "p95 s", "p99 s", "cpu s")
    print(f"{'':<28}{''.join(f'{name:>9}' for name in names)}  answers")
    rows: Rows = {}
    for part in args.parts:
        rows |= PARTS[part](args, clips)
    if args.markdown:
        print(as_markdown(rows))
    about = {
        "seconds": args.seconds,
        "machine_load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "wav2vec2_conformer": wav2vec2_conformer.__version__,
    }
    print(json.dumps({**rows, **about}))
    return int(any(row["statuses"].get("lost") for row in rows.values()))


PARTS = {
    "load": measure_load,
    "overload": measure_overload,
    "faults": measure_faults,
    "restart": measure_restart,
}

if __name__ == "__main__":
    sys.exit(main())
