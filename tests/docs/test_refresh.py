"""Outputs that the pages show are put in anew, and only those."""

import json
import sys
from pathlib import Path

import pytest

from . import refresh as program
from .pages import run_in_folder

PAGE = """\
# A page

```python
total = 2 + 3
print(total)
for number in range(9):
    print(number)
```

```text
4
0
...
8
```

```bash
echo '{"is": "new"}'; echo aside >&2
```

```json
{"is": "old"}
```

Somebody else's says:

```text
said elsewhere
```

```bash
date
```

<!-- output kept: the time -->

```text
noon
```

<!-- not run: needs the speech -->

```bash
echo heard {number} words
```

```text
heard nothing
```

```bash
true
```

```text
on standard error
```

```bash
echo one two
```

```text
one ... six
```
"""
REFRESHED = (
    PAGE.replace("4\n0\n", "5\n0\n")
    .replace('{"is": "old"}', '{"is": "new"}')
    .replace("text\nheard nothing", "text\nheard {number} words")
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def printed_by(page: Path, *, with_speech: bool) -> dict[int, str]:
    done = run_in_folder(page, page.parent, with_speech=with_speech)
    assert done.returncode == 0, done.stderr
    assert "5\n0\n1\n" in done.stdout
    printed = json.loads((page.parent / "printed.json").read_text())
    return {int(line): output for line, output in printed.items()}


def test_outputs_are_put_into_the_page(page: Path) -> None:
    printed = printed_by(page, with_speech=True)
    text, changed, kept = program.refresh(page, printed, with_speech=True)
    assert text == REFRESHED
    assert changed == [
        f"{page}:11\n    - 4\n    + 5",
        f'{page}:22\n    - {{"is": "old"}}\n    + {{"is": "new"}}',
        f"{page}:48\n    - heard nothing\n    + heard {{number}} words",
    ]
    assert kept == [
        f"{page}:28: does not directly follow the block that prints it",
        f"{page}:38: the time",
        f"{page}:56: its block prints nothing to standard output",
        f"{page}:64: shortened within a line",
    ]


def test_without_speech_its_blocks_are_kept(page: Path) -> None:
    text, _, kept = program.refresh(page, printed_by(page, with_speech=False))
    assert text == REFRESHED.replace("text\nheard {number} words", "text\nheard nothing")
    assert f"{page}:48: its block is not run: needs the speech" in kept


@pytest.mark.parametrize(
    ("output", "shown", "expected"),
    [
        ("a\nb\nc\nd\n", "1\n...\n", "a\n...\n"),
        ("a\nb\nc\nd\n", "1\n…\n2\n3\n", "a\n…\nc\nd\n"),
        ("a\nb\n", "1\n...\n2\n", "a\nb\n"),
        ("\na  \n\nb\n\n", "1\n", "a\n\nb\n"),
    ],
)
def test_lines_are_left_out_where_they_were(output: str, shown: str, expected: str) -> None:
    assert program.shorten_alike(output, shown) == expected


def test_the_program_checks_or_rewrites(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    printed = printed_by(page, with_speech=False)
    monkeypatch.setattr(program, "run", lambda *_: printed)
    monkeypatch.setattr(program, "save_checkpoint", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["refresh", "--check", str(page)])
    assert program.main() == 1
    assert "+ 5" in capsys.readouterr().out
    assert page.read_text() == PAGE
    monkeypatch.setattr(sys, "argv", ["refresh", str(page)])
    assert program.main() == 0
    assert '{"is": "new"}' in page.read_text()
    monkeypatch.setattr(sys, "argv", ["refresh", "--check", str(page)])
    assert program.main() == 0
    assert "Nothing changed." in capsys.readouterr().out


def test_a_page_that_cannot_be_refreshed_is_left_and_named(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    good = page.with_name("good.md")
    good.write_text(PAGE)
    printed = printed_by(page, with_speech=False)

    def run(asked: Path, *_: object) -> dict[int, str]:
        if asked.name == "page.md":
            page.write_text(f"{PAGE}More.\n")
        return printed

    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(program, "save_checkpoint", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["refresh", str(page), str(good)])
    assert program.main() == 1
    assert f"{page}: was changed while it ran" in capsys.readouterr().err
    assert page.read_text() == f"{PAGE}More.\n"
    assert '{"is": "new"}' in good.read_text()


def test_a_block_that_fails_stops_the_page(page: Path) -> None:
    page.write_text("```bash\necho before\nfalse\n```\n")
    done = run_in_folder(page, page.parent)
    assert done.returncode != 0
    assert "before" in done.stdout
    assert f"{page}:2: the shell block ended with 1" in done.stderr


def test_no_more_is_run_than_is_asked_for(page: Path) -> None:
    page.write_text("```bash\necho one\n```\n\n```bash\necho two\n```\n\n```bash\nfalse\n```\n")
    done = run_in_folder(page, page.parent, until=6)
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n")
