"""What can go wrong, in words a user can act on.

Every error of this package is a `Wav2Vec2ConformerError` and also the built-in error that a
caller would expect, so that `except ValueError` keeps working. A message says what is wrong,
what was got, what is allowed and what to do. The command line prints it as one line; any
other exception is a bug and keeps its traceback.
"""


class Wav2Vec2ConformerError(Exception):
    """Base of all errors that a user can act on."""


class ConfigurationError(Wav2Vec2ConformerError, ValueError):
    """A configuration describes a model that cannot be built."""


class InputError(Wav2Vec2ConformerError, ValueError):
    """An argument has the wrong shape, type or range."""


class AudioError(Wav2Vec2ConformerError, ValueError):
    """Audio cannot be read or holds nothing that can be used."""


class CheckpointError(Wav2Vec2ConformerError, ValueError):
    """A checkpoint is missing, damaged, or of another architecture."""


class ManifestError(Wav2Vec2ConformerError, ValueError):
    """A manifest or one of its lines cannot be used."""


class MissingExtraError(Wav2Vec2ConformerError, ImportError):
    """An optional dependency is needed and not installed."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed. "
            f"Install it with: pip install 'wav2vec2-conformer[{extra}]'"
        )
