"""Results as a table for the terminal."""

from collections.abc import Iterator

from wav2vec2_conformer.benchmark.results import Results
from wav2vec2_conformer.benchmark.row import Row, format_quantity

HEADINGS = ("#", "work", "against", "goal", "reached", "CPU time", "verdict", "outputs and more")


def table_cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row, under `HEADINGS`."""
    in_cpu_time = "" if row.in_cpu_time is None else format_quantity(row.in_cpu_time, row.unit)
    return (
        row.figure,
        row.work,
        row.against,
        row.goal_text,
        row.reached_text,
        in_cpu_time,
        row.verdict,
        row.difference,
    )


def iter_table_lines(results: Results) -> Iterator[str]:
    """Yield the lines of the table, columns aligned, and one about the run."""
    lines = [HEADINGS, *(table_cells(row) for row in results.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield ""
    yield summarize(results)


def summarize(results: Results) -> str:
    """Return a sentence about goals, machine and run."""
    with_goal = [row.is_reached for row in results.rows if row.is_reached is not None]
    about = results.about
    goals = f"{sum(with_goal)} of {len(with_goal)} goals reached; " if with_goal else ""
    return (
        f"{goals}size {about['size']}, {about['rounds']} rounds, {about['threads']} threads, "
        f"{about['processor']}, {about['duration_s'] / 60:.1f} min"
    )
