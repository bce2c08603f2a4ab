"""What every command does with the results of many inputs."""

import signal
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from wav2vec2_conformer.audio import TruncatedAudioWarning
from wav2vec2_conformer.cli.failed_inputs import FailedInput
from wav2vec2_conformer.cli.result_loop import add_unwritten, iter_results
from wav2vec2_conformer.errors import AudioError, InputError
from wav2vec2_conformer.inference.transcript import Failure


def collect(results: list[Any]) -> tuple[list[tuple[int, Any]], list[FailedInput]]:
    failed: list[FailedInput] = []
    names = [f"{number}.wav" for number in range(len(results))]
    done = list(iter_results(lambda _: enumerate(results), names, failed, is_quiet=True))
    return done, failed


def test_failures_are_gathered_and_the_others_keep_their_numbers() -> None:
    done, failed = collect(["a", Failure("1.wav", AudioError("1.wav: is empty")), "c"])
    assert done == [(0, "a"), (2, "c")]
    assert failed == [FailedInput("1.wav", "AudioError", "1.wav: is empty")]


def test_a_reason_begins_with_the_input() -> None:
    _, failed = collect([Failure("0.wav", InputError("the text is empty"))])
    assert failed == [FailedInput("0.wav", "InputError", "0.wav: the text is empty")]


def test_warnings_become_lines_before_their_result(capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: object) -> Iterator[tuple[int, str]]:
        warnings.warn("a.wav: is cut off", TruncatedAudioWarning, stacklevel=1)
        yield 0, "a"

    for _ in iter_results(run, ["a.wav"], [], is_quiet=True):
        assert capsys.readouterr().err == "warning: a.wav: is cut off\n"


def test_ctrl_c_waits_for_the_work_on_a_result() -> None:
    done = []
    failed: list[FailedInput] = []
    results = iter_results(lambda _: enumerate("abc"), ["a", "b", "c"], failed, is_quiet=True)

    def work() -> None:
        for number, result in results:
            if number == 1:
                signal.raise_signal(signal.SIGINT)
            done.append(result)

    with pytest.raises(typer.Exit) as caught:
        work()
    assert caught.value.exit_code == 130
    assert done == ["a", "b"]


def test_what_cannot_be_written_names_the_place() -> None:
    failed: list[FailedInput] = []
    add_unwritten(failed, "a.wav", "into out", OSError(28, "No space left on device"))
    reason = "a.wav: cannot write into out: No space left on device."
    assert failed == [FailedInput("a.wav", "OSError", reason)]
