"""The report of a run: `report.html` in its folder."""

from pathlib import Path

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.training.report.page import render_page
from wav2vec2_conformer.training.report.run_folder import read_run

REPORT_FILE = "report.html"


def write_training_report(run_dir: str | Path, output: str | Path | None = None) -> Path:
    """Write what the folder of a run tells as one HTML file.

    It needs no network and no script to open. A run that is not finished, or was killed, has
    one too: up to its last log line.

    Args:
        run_dir: `output_dir` of `finetune` or `pretrain`.
        output: The file; by default `report.html` in the folder of the run.

    Returns:
        The file.

    Raises:
        InputError: There is no run in the folder.
    """
    page = render_page(read_run(run_dir))
    path = Path(run_dir) / REPORT_FILE if output is None else Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path
