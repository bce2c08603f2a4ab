"""What a system made of a test set: its hypotheses, and what it could not do."""

from collections.abc import Mapping
from dataclasses import dataclass

from wav2vec2_conformer.evaluation.timing import Speed


@dataclass(frozen=True, slots=True)
class Recognition:
    """The hypotheses of one system.

    Attributes:
        name: Of the system: its model or its file of hypotheses.
        hypotheses: Text for each utterance that it has, under the position in the test set.
        failures: Why there is none, for the other positions.
        speed: None where hypotheses were read and not made.
    """

    name: str
    hypotheses: Mapping[int, str]
    failures: Mapping[int, str]
    speed: Speed | None = None
