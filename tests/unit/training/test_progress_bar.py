"""The bar shows hours, speed and time left on a terminal, and lets log lines pass."""

import io
import logging
import sys

import pytest
from transformers import TrainerState

from wav2vec2_conformer.training import progress_bar, schedule
from wav2vec2_conformer.training.progress_bar import ProgressBar
from wav2vec2_conformer.training.schedule import TrainingClock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Return a function that puts a terminal in place of stderr.

    pytest sets stderr anew between fixtures and test.
    """

    def open_it():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return open_it


def test_hours_speed_and_time_left_are_shown(open_terminal, monkeypatch):
    terminal = open_terminal()
    time_s = [0.0]
    for module in (progress_bar, schedule):
        monkeypatch.setattr(module.time, "monotonic", lambda: time_s[0])
    bar = ProgressBar(TrainingClock())
    state = TrainerState(max_steps=100)
    bar.on_train_begin(None, state, None)
    time_s[0] = 10.0
    state.global_step, state.num_input_tokens_seen = 1, 16_000 * 720
    bar.on_step_end(None, state, None)
    shown = terminal.getvalue()
    assert "1.0 % |" in shown
    assert "step 1  0.20 h of audio  72x real time  left 0:16:30" in shown
    assert shown.endswith("\r")  # an error goes over the bar
    bar.on_train_end(None, state, None)
    assert terminal.getvalue().split("\r")[-2].strip() == ""  # wiped


def test_log_lines_stand_above_the_bar(open_terminal):
    terminal = open_terminal()
    logger = logging.getLogger("wav2vec2_conformer")
    handler = logging.StreamHandler(terminal)
    logger.addHandler(handler)
    try:
        bar = ProgressBar(TrainingClock())
        state = TrainerState(max_steps=100)
        bar.on_train_begin(None, state, None)
        logger.warning("a line of the log")
        lines = terminal.getvalue().split("\r")
        (line,) = [line for line in lines if "a line" in line]
        assert line.startswith("a line of the log\n")
        assert any("0.0 % |" in line for line in lines)
        bar.on_train_end(None, state, None)
        assert handler.stream is terminal
    finally:
        logger.removeHandler(handler)


def test_nothing_is_shown_without_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = ProgressBar(TrainingClock())
    state = TrainerState(max_steps=100, global_step=1)
    bar.on_train_begin(None, state, None)
    bar.on_step_end(None, state, None)
    bar.on_train_end(None, state, None)
    assert stream.getvalue() == ""
