"""The error that ends an unhealthy run."""

import shlex
import sys
from pathlib import Path

from wav2vec2_conformer.errors import Wav2Vec2ConformerError
from wav2vec2_conformer.training.health.actions import ACTIONS
from wav2vec2_conformer.training.health.finding import Finding, describe_finding
from wav2vec2_conformer.training.model_folder import latest_checkpoint


class UnhealthyTrainingError(Wav2Vec2ConformerError, RuntimeError):
    """The health monitor stopped a run.

    Args:
        finding: What it found.
        step: Updates done.
        run_dir: Folder of the run.
        reason: Why it stopped although more was wanted, such as a roll back that cannot be.

    Attributes:
        finding: What it found.
    """

    def __init__(self, finding: Finding, step: int, run_dir: Path, reason: str = "") -> None:
        self.finding = finding
        checkpoint = latest_checkpoint(run_dir)
        if checkpoint is None:
            way_on = f"{run_dir} holds no checkpoint yet: start again after the change"
        else:
            way_on = (
                f"the last checkpoint is {checkpoint}; after the change, go on from it with: "
                f"{_resume_command()}. Or start a new run from its weights with "
                f"--model {shlex.quote(str(checkpoint))}"
            )
        why = f" ({reason})" if reason else ""
        name = finding.detector
        otherwise = f". To be warned only: --health {name}=warn" if name in ACTIONS else ""
        super().__init__(
            f"training was stopped after {step} updates{why}. {describe_finding(finding)} "
            f"Then: {way_on}{otherwise}"
        )


def _resume_command() -> str:
    """Return the command of this process with --resume, as far as it is ours."""
    program = Path(sys.argv[0]).name
    if program not in {"wav2vec2-conformer", "w2vc"}:
        return "resume=True"
    given = [argument for argument in sys.argv[1:] if argument != "--resume"]
    return shlex.join([program, *given, "--resume"])
