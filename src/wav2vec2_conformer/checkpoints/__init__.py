"""Checkpoints: the ones in the package, and files of other formats in and out."""
