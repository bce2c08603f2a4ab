"""What the model said of some validation utterances, kept for the report."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wav2vec2_conformer.data.speaker_turns import SpeakerTurn
from wav2vec2_conformer.data.whole_file import write_whole

EXAMPLE_FILE = "examples.json"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who speaks when in a recording.

    Attributes:
        duration_s: Length of the recording.
        reference: Turns that are right.
        hypothesis: Turns that the model found; a speaker whom it knows as one of the reference
            has that one's name.
    """

    duration_s: float
    reference: tuple[SpeakerTurn, ...]
    hypothesis: tuple[SpeakerTurn, ...]


@dataclass(frozen=True, slots=True)
class TextExample:
    """One utterance.

    Attributes:
        reference: What was said, or what is right.
        hypothesis: What the model said.
        name: Of the utterance, "" if not known.
        is_transcript: Whether the two are to be compared word by word.
        timeline: Who speaks when, where that is learned.
    """

    reference: str
    hypothesis: str
    name: str = ""
    is_transcript: bool = True
    timeline: Timeline | None = None


def write_examples(
    run_dir: str | Path,
    references: Sequence[str],
    hypotheses: Sequence[str],
    names: Sequence[str] = (),
    *,
    max_examples: int = 20,
) -> Path:
    """Write some of an evaluation's results into the folder of a run, in place of older ones.

    They are spread evenly over the set, so each evaluation shows the same utterances.

    Args:
        run_dir: Folder of the run.
        references: What was said.
        hypotheses: What the model said, as many.
        names: Of the utterances; may be left out.
        max_examples: So many at most.

    Returns:
        The file, `examples.json`.
    """
    num_shown = min(max_examples, len(references))
    places = [(2 * i + 1) * len(references) // (2 * num_shown) for i in range(num_shown)]
    return _write(
        run_dir,
        [
            TextExample(references[i], hypotheses[i], shorten_name(names[i]) if names else "")
            for i in places
        ],
    )


def write_hardest(
    run_dir: str | Path,
    difficulties: npt.ArrayLike,
    describe: Callable[[int], TextExample],
    *,
    max_examples: int = 20,
) -> Path:
    """Write what was hardest of an evaluation into the folder of a run, in place of older ones.

    Args:
        run_dir: Folder of the run.
        difficulties: Of each result [N]; the largest are kept.
        describe: Returns the result at a place.
        max_examples: So many at most.

    Returns:
        The file, `examples.json`.
    """
    order = np.argsort(-np.asarray(difficulties), kind="stable")[:max_examples].tolist()
    return _write(run_dir, [describe(i) for i in order])


def read_examples(run_dir: str | Path) -> list[TextExample]:
    """Return the examples of a run, none if it has written none."""
    path = Path(run_dir) / EXAMPLE_FILE
    if not path.is_file():
        return []
    examples = []
    for fields in json.loads(path.read_text(encoding="utf-8")):
        timeline = fields.pop("timeline", None)
        if timeline is not None:
            turns = {
                side: tuple(SpeakerTurn(**turn) for turn in timeline[side])
                for side in ("reference", "hypothesis")
            }
            timeline = Timeline(timeline["duration_s"], **turns)
        examples.append(TextExample(**fields, timeline=timeline))
    return examples


def _write(run_dir: str | Path, examples: Sequence[TextExample]) -> Path:
    path = Path(run_dir) / EXAMPLE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as temporary:
        text = json.dumps([asdict(example) for example in examples], ensure_ascii=False, indent=1)
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return path


def shorten_name(name: str) -> str:
    """Return file and folder of a path: in a folder for each label, the file may not tell."""
    return "/".join(Path(name).parts[-2:])
