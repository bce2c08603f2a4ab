"""Time and memory beside what else a user could run: `wav2vec2-conformer bench`.

A measurement is a process of its own (`python -m wav2vec2_conformer.benchmark.clip` and others)
that prepares its work, and does it once for each request. The processes of an experiment take
turns, so that all of them see the same machine. What they tell becomes rows: a figure, its goal,
what was reached.
"""
