"""One spelling of flags for two worlds: `--output_dir` is `--output-dir`."""


def with_dashes(name: str) -> str:
    """Return a flag's name as this program spells it. Values of flags do not come here."""
    return name.replace("_", "-")
