"""A real run with monitor and record gives a report and tells what was found."""

from wav2vec2_conformer.training.health.monitor import HealthMonitor
from wav2vec2_conformer.training.report.run_record import RunRecord
from wav2vec2_conformer.training.report.training_report import write_training_report


def test_findings_of_a_run_are_in_its_report(build_trainer, run_dir):
    trainer = build_trainer(HealthMonitor("ctc", max_duration_s=0.3), max_steps=4)
    trainer.add_callback(RunRecord("ctc", {"train_hours": 0.1}))
    trainer.train()
    page = write_training_report(run_dir).read_text(encoding="utf-8")
    assert "longer than 5000 frames (max_source_positions) or 0.3 s" in page
    assert "0.wav (0.5 s)" in page
    assert "Learning rate" in page
    assert ".saving" not in page
