"""The list of formats and their options."""

import re
import subprocess
import sys

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.formats import FILE_SUFFIXES, FORMATS, FormatOptions, format_transcript
from wav2vec2_conformer.inference.transcript import Transcript


def test_an_unknown_format_is_refused(greeting: Transcript) -> None:
    with pytest.raises(InputError, match=r"one of txt, srt, .*, but is 'docx'"):
        format_transcript(greeting, "docx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_line_width": 0}, "max_line_width must be 1 or more, but is 0"),
        (
            {"max_line_width": 9, "max_line_count": -1},
            "max_line_count must be 1 or more, but is -1",
        ),
        ({"max_line_count": 2}, "max_line_count needs max_line_width"),
    ],
)
def test_limits_that_mean_nothing_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        FormatOptions(**arguments)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_ends_with_one_line_end_or_is_empty(
    name: str, greeting: Transcript, silence: Transcript
) -> None:
    content = format_transcript(greeting, name)
    assert content.endswith("\n")
    assert not content.endswith("\n\n")
    empty = format_transcript(silence, name)
    assert empty == "" or empty.endswith("\n")


def test_file_names_tell_formats_apart() -> None:
    assert list(FILE_SUFFIXES) == list(FORMATS)
    assert len({suffix.casefold() for suffix in FILE_SUFFIXES.values()}) == len(FORMATS)


def test_the_formats_are_light_to_import() -> None:
    program = (
        "import sys; import wav2vec2_conformer.formats; "
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
