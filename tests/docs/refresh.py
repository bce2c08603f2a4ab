"""Run the pages of the documentation and put what their blocks print into them.

    python -m tests.docs.refresh [--check] [--speech FOLDER] [--jobs 2] [PAGE ...]

A `text`, `json` or `jsonl` block directly after a block that is run shows what that block prints
to standard output, and is rewritten. A line `...` in it stands for lines that are left out: as
many as are shown before and after it are shown again. All other shown blocks are kept and listed,
for a person to look at:

- `<!-- output kept: reason -->` stands on the line before it (times, standard error)
- it does not directly follow a block that is run
- it is shortened within a line, or in more than one place
- the block before it prints nothing

`--speech` names a folder of manifests and audio as `recipes/tiny-en` takes it, and also runs blocks
that need it. `--check` only says what would change, with exit code 1 where anything would. A page
that does not run is left as it is, and the exit code is 1.
"""

import argparse
import difflib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path

from .pages import NEEDS_SPEECH, PAGES, ROOT, SHOWN_ONLY, Block, read_blocks, run_in_folder
from .surroundings import save_checkpoint, save_recordings

KEPT = re.compile(r"<!-- output kept: (?P<reason>\S.*?) -->\s*\Z", re.DOTALL)
ELLIPSES = {"...", "…"}


@dataclass(frozen=True)
class Shown:
    """A block that shows an output, and where known the line of the block that prints it."""

    block: Block
    printed_by: int | None
    kept_because: str | None


def find_shown(page: Path, *, with_speech: bool = False) -> Iterator[Shown]:
    """Yield the shown blocks of a page, each with what prints it or why it is kept."""
    text = page.read_text(encoding="utf-8")
    before: Block | None = None
    for block in read_blocks(page):
        if block.language in SHOWN_ONLY:
            end = 0 if before is None else before.start + len(before.code) + len("```")
            between = text[end : block.start].rpartition("```")[0]
            if kept := KEPT.search(between):
                yield Shown(block, None, kept["reason"])
            elif before is None or between.strip() or before.language in SHOWN_ONLY:
                yield Shown(block, None, "does not directly follow the block that prints it")
            elif not before.is_run(with_speech=with_speech):
                yield Shown(block, None, f"its block is not run: {before.not_run}")
            else:
                yield Shown(block, before.line, None)
        before = block


def refresh(
    page: Path, printed: Mapping[int, str], *, with_speech: bool = False
) -> tuple[str, list[str], list[str]]:
    """Return the page's new text, what changed and what was kept.

    Args:
        page: Markdown.
        printed: What each block that was run printed, by the block's line.
        with_speech: Whether blocks that need speech were run.
    """
    text = page.read_text(encoding="utf-8")
    pieces, done, changed, kept = [], 0, [], []
    for shown in find_shown(page, with_speech=with_speech):
        block = shown.block
        place = f"{page}:{block.line}"
        output = None if shown.printed_by is None else printed[shown.printed_by]
        reason = shown.kept_because or why_kept(block.code, output or "")
        if reason is not None:
            kept.append(f"{place}: {reason}")
            continue
        new = shorten_alike(output or "", block.code)
        if new != block.code:
            lines = difflib.ndiff(block.code.splitlines(), new.splitlines())
            differences = [line for line in lines if not line.startswith(("  ", "? "))]
            changed.append("\n    ".join([place, *differences]))
        pieces += [text[done : block.start], new]
        done = block.start + len(block.code)
    return "".join([*pieces, text[done:]]), changed, kept


def why_kept(shown: str, output: str) -> str | None:
    """Return why an output cannot be put in place of the one that is shown, if it cannot."""
    if not output.strip():
        return "its block prints nothing to standard output"
    if "```" in output:
        return "its block prints a fence"
    lines = shown.splitlines()
    if sum(line.strip() in ELLIPSES for line in lines) > 1:
        return "shortened in more than one place"
    by_hand = [
        line
        for line in lines
        if line.strip() not in ELLIPSES and any(mark in line for mark in ELLIPSES)
    ]
    if any(line.rstrip() not in output for line in by_hand):
        return "shortened within a line"
    return None


def shorten_alike(output: str, shown: str) -> str:
    """Return an output without the lines that the shown one leaves out at its ellipsis."""
    # No editor keeps spaces at the end of a line.
    lines = [line.rstrip() for line in output.strip("\n").splitlines()]
    old = shown.splitlines()
    cut = next((i for i, line in enumerate(old) if line.strip() in ELLIPSES), None)
    if cut is not None:
        num_after = len(old) - cut - 1
        if len(lines) > len(old) - 1:
            lines[cut : len(lines) - num_after] = [old[cut]]
    return "\n".join(lines) + "\n"


def run(page: Path, until: int, checkpoint: Path, speech: Path | None) -> dict[int, str]:
    """Run a page in a new folder; return what each block printed, without this machine's paths.

    Args:
        page: To run.
        until: Line of the last block to run.
        checkpoint: Folder that the page finds as `checkpoint`.
        speech: Folder of manifests and audio for blocks that need them.

    Raises:
        RuntimeError: When a block fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        save_recordings(folder)
        shutil.copytree(checkpoint, folder / "checkpoint")
        # Not for all pages: some take whatever lies in their folder.
        if speech is not None and any(b.not_run == NEEDS_SPEECH for b in read_blocks(page)):
            for path in speech.resolve().iterdir():
                (folder / path.name).symlink_to(path)
        done = run_in_folder(page, folder, with_speech=speech is not None, until=until)
        if done.returncode != 0:
            raise RuntimeError(f"{page}: does not run\n{done.stdout}\n{done.stderr}")
        printed = json.loads((folder / "printed.json").read_text(encoding="utf-8"))
    assets = str(bundled_checkpoint_path().parent)
    return {
        int(line): output.replace(f"{folder}/", "").replace(assets, "...")
        for line, output in printed.items()
    }


def refresh_page(
    page: Path, checkpoint: Path, speech: Path | None, *, check: bool
) -> tuple[list[str], list[str]]:
    """Run a page and rewrite it; return what changed and what was kept.

    Args:
        page: Markdown.
        checkpoint: Folder that the page finds as `checkpoint`.
        speech: Folder of manifests and audio for blocks that need them.
        check: Do not write.

    Raises:
        RuntimeError: When a block fails, or somebody else changed the page meanwhile.
    """
    old = page.read_text(encoding="utf-8")
    all_shown = find_shown(page, with_speech=speech is not None)
    lines = [shown.printed_by for shown in all_shown if shown.printed_by is not None]
    printed = run(page.resolve(), max(lines), checkpoint, speech) if lines else {}
    if page.read_text(encoding="utf-8") != old:
        raise RuntimeError(f"{page}: was changed while it ran; refresh it again")
    new, changed, kept = refresh(page, printed, with_speech=speech is not None)
    if changed and not check:
        unfinished = page.with_suffix(".md.part")
        unfinished.write_text(new, encoding="utf-8")
        unfinished.replace(page)
    return changed, kept


def main() -> int:
    """Refresh the pages that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", type=Path, nargs="*", metavar="PAGE", help="all by default")
    parser.add_argument("--check", action="store_true", help="only say what would change")
    parser.add_argument("--speech", type=Path, help="also run the blocks that need speech")
    parser.add_argument("--jobs", type=int, default=2, help="pages that run at a time")
    args = parser.parse_args()
    # As in the tests: nothing is downloaded, and one thread adds numbers in one order.
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    all_changed, all_kept, failed = [], [], []
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(args.jobs) as pool:
        checkpoint = Path(name)
        save_checkpoint(checkpoint)
        pages = args.pages or [path.relative_to(ROOT) for path in PAGES]
        results = {
            page: pool.submit(refresh_page, page, checkpoint, args.speech, check=args.check)
            for page in pages
        }
        for page, result in results.items():
            sys.stderr.write(f"{page}\n")
            try:
                changed, kept = result.result()
            except (RuntimeError, OSError) as error:
                failed.append(str(error))
                continue
            all_changed += changed
            all_kept += kept
    lines = ["Kept, look at them:", *all_kept, ""]
    lines += ["Changed:" if all_changed else "Nothing changed.", *all_changed]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stderr.write("".join(f"\n{message}\n" for message in failed))
    return 1 if failed or (args.check and all_changed) else 0


if __name__ == "__main__":
    sys.exit(main())
