"""The side of a measuring process: arguments in, one line of JSON for each request."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Conversation:
    """Reads the arguments, one JSON object on the command line, and answers requests.

    From here on what libraries print goes to stderr: the pipe of stdout is for answers. And where
    memory runs out, the system ends this process before others.

    Attributes:
        arguments: As given.
    """

    def __init__(self) -> None:
        score = Path("/proc/self/oom_score_adj")
        if score.exists():
            score.write_text("1000", encoding="ascii")
        stdout, stderr = sys.stdout.fileno(), sys.stderr.fileno()
        self._answers = os.fdopen(os.dup(stdout), "w", encoding="utf-8")
        os.dup2(stderr, stdout)
        self.arguments: dict[str, Any] = json.loads(sys.argv[1])

    def answer_requests(
        self, work: Callable[[dict[str, Any]], dict[str, Any]], about: dict[str, Any] | None = None
    ) -> None:
        """Say that the work is prepared; then do it for each line of stdin, until the last.

        Args:
            work: Takes a request, a JSON object; its result becomes one line of JSON.
            about: What is known before the first request; told first.
        """
        self._tell(about or {})
        for line in sys.stdin:
            self._tell(work(json.loads(line)))

    def _tell(self, answer: dict[str, Any]) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()
