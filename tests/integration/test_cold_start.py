"""What a new process imports for its first transcript."""

import subprocess
import sys

from wav2vec2_conformer.checkpoints.bundled import bundled_clips

# Each of these, or what it imports, takes longer than the transcript of a short clip.
SLOW = (
    "accelerate",
    "datasets",
    "pandas",
    "peft",
    "scipy",
    "sklearn",
    "sympy",
    "torch._dynamo",
    "torch._inductor",
    "torch.distributed.tensor",
    "transformers.activations",
    "transformers.generation.utils",
    "transformers.modeling_utils",
    "transformers.models",
    "transformers.processing_utils",
    "transformers.trainer",
)
SCRIPT = f"""
import sys
from wav2vec2_conformer.cli.main import app
app(["transcribe", "--quiet", sys.argv[1]], standalone_mode=False)
print("slow:", [name for name in {SLOW} if name in sys.modules])
"""


def test_the_first_transcript_waits_for_no_import_that_it_does_not_need() -> None:
    clip = min(bundled_clips(), key=lambda path: path.stat().st_size)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(clip)], capture_output=True, text=True, check=True
    )
    text, slow = done.stdout.splitlines()
    assert text.split()
    assert slow == "slow: []"
