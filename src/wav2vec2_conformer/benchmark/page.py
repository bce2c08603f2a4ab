"""Results as a page of the documentation."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wav2vec2_conformer.benchmark.results import Results
from wav2vec2_conformer.benchmark.table import HEADINGS, summarize, table_cells
from wav2vec2_conformer.data.whole_file import write_whole

_INTRODUCTION = """\
# Benchmarks

Time and memory beside what else you could run. This page is written by the command that measured
it; repeat it on your machine:

<!-- not run: takes some 20 minutes and 12 GB of memory -->
```bash
pip install 'wav2vec2-conformer[onnx,openvino,plots]'
wav2vec2-conformer bench -o results --markdown benchmarks.md --speech test.jsonl
```

`--speech` is a manifest of transcribed English for the word error rates of S4 (the row names it);
without it they are left out. `--only S1,S2` measures some of the figures, `--size base` or
`--size tiny` smaller models (the goals are those of the large size), `--rounds 5` more
alternations. Peers whose packages are not installed are named in the table.
"""

_METHOD = """\
## How it is measured

- Every figure is a ratio. The two sides are processes that are prepared one after the other and
  then work in turns, on the same input with the same number of threads; the median of the rounds'
  ratios counts (of S5 and `peers` at most two rounds: they are long). *CPU time* is the same ratio
  in processor seconds, which other programs of the machine disturb less.
- Both sides have the same random weights, drawn from the names of the parameters, in the shape of
  the released models (`hidden_act="swish"`, layer norm, biases in the convolutions). The last
  column says how far the outputs lie apart. Rows that name the bundled model run trained weights.
- Memory is the peak of resident memory during the work beyond what was resident before it (the
  weights; in training also gradients and the optimizer's moments).
- `transformers default` is `Wav2Vec2ConformerForCTC` with scaled-dot-product attention.
- **S3** divides the model's floating-point operations by the time and by the machine's rate, which
  is measured in the same rounds (products of float32 matrices of {matrix_dim} x {matrix_dim}).
  Counted are matrix products and convolutions that the mathematics needs, not what an
  implementation adds: relative positions count T x T scores and no projection.
- **S5** runs a small model: in one batch padded to 30 s, transformers would need more than 20 GB
  for the released feature encoder alone.
- **S7** transcribes the clips in the package again and again, with each frame's best token on both
  sides. The pipeline gets samples that are read within the measured time, as its own reading needs
  the program ffmpeg.
- **S8** freezes the feature encoder; **S9** draws masks and negatives in each step. No layer is
  dropped on either side, so that both do the same work. The time is that of steps one after the
  other, in which ours keeps freed memory as `finetune` and `pretrain` do; memory is that of a step
  before them.
- **peers** have fewer layers than the released models: exporting all takes minutes. ONNX Runtime
  gets transformers' model with eager attention, as torch's exporter fails with the default one;
  OpenVINO is told to compute in float32, as its default is bfloat16 where the machine has it.
- **gpu** runs clips on CUDA, where there is a GPU: with torch's attention, with FlexAttention, and
  replayed as CUDA graphs.
"""


def write_page(results: Results, path: Path, picture: Path | None) -> None:
    """Write the page.

    Args:
        results: Of a run.
        path: The Markdown file.
        picture: The plot, in the same folder; None leaves it out.

    Raises:
        OSError: When the file cannot be written.
    """
    with write_whole(path) as temporary:
        temporary.write_text("\n".join(_lines(results, picture)) + "\n", encoding="utf-8")


def _lines(results: Results, picture: Path | None) -> Iterator[str]:
    yield _INTRODUCTION
    yield "## Results"
    yield ""
    yield f"{summarize(results)}."
    yield ""
    yield from _table(HEADINGS, [table_cells(row) for row in results.rows])
    yield ""
    if picture is not None:
        yield f"![What was reached over each goal]({picture.name})"
        yield ""
    yield _METHOD.format(matrix_dim=results.about["matrix_dim"])
    yield "## Where"
    yield ""
    yield from _table(("", ""), _describe(results.about))


def _describe(about: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield name and value of what the results depend on."""
    versions = (f"{name} {number}" for name, number in about["versions"].items() if number)
    yield "date", about["created"]
    yield "commit", about["commit"] or "not in git"
    yield "processor", f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB"
    yield "system", f"{about['system']}, Python {about['python']}"
    yield "versions", ", ".join(versions)
    yield "rounds, threads", f"{about['rounds']}, {about['threads']}"


def _table(headings: Sequence[str], rows: Iterator[tuple[str, ...]] | list[Any]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
