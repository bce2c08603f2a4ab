"""Events survive in the file of a run, and read as sentences."""

from wav2vec2_conformer.training.health.finding import (
    EVENT_FILE,
    Finding,
    HealthEvent,
    append_event,
    describe_finding,
    read_events,
)

EVENT = HealthEvent(3, "2026-01-01T00:00:00+00:00", 0, "warn", "d", "w", "c", "r", ("ä.wav",))


def test_events_are_read_as_written(tmp_path):
    run_dir = tmp_path / "new"
    append_event(run_dir, EVENT)
    append_event(run_dir, EVENT)
    assert read_events(run_dir) == [EVENT, EVENT]
    assert read_events(tmp_path) == []


def test_a_line_cut_short_is_passed_over(tmp_path):
    append_event(tmp_path, EVENT)
    with (tmp_path / EVENT_FILE).open("a") as file:
        file.write('{"step": 4, "ti')
    assert read_events(tmp_path) == [EVENT]


def test_many_utterances_are_counted():
    finding = Finding("d", "w", "c", "r", tuple(f"{i}.wav" for i in range(7)))
    assert describe_finding(finding) == (
        "d: w. Utterances: 0.wav, 1.wav, 2.wav, 3.wav, 4.wav, and 2 more. "
        "Likely cause: c. What to do: r."
    )
