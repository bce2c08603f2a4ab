"""What is done about each finding, and how a user changes that."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, Literal, cast, get_args

from wav2vec2_conformer.errors import InputError

Action = Literal["ignore", "warn", "stop", "roll_back"]

# Detectors and what is done by default. "stop" where further updates are certainly wasted,
# "roll_back" where the weights are being destroyed.
ACTIONS: Final[dict[str, Action]] = {
    "chance_level": "warn",
    "equal_negatives": "stop",
    "codebook_collapse": "warn",
    "perplexity_fall": "warn",
    "all_blank": "warn",
    "infinite_loss": "warn",
    "text_too_long": "warn",
    "batch_norm_drift": "warn",
    "gradient_not_finite": "roll_back",
    "gradient_spike": "warn",
    "gradient_zero": "warn",
    "loss_scale_floor": "stop",
    "length_ceiling": "warn",
    "learning_rate_zero": "warn",
    "vocabulary_mismatch": "stop",
    "unknown_tokens": "warn",
    "single_class": "warn",
}


def read_actions(settings: Sequence[str]) -> dict[str, Action]:
    """Return the actions that settings such as "all_blank=stop" ask for, defaults included.

    Args:
        settings: Each names a detector of `ACTIONS` and one of ignore, warn, stop, roll_back.
            `all=...` goes for every detector; what comes later counts. Dashes may stand for
            underscores.

    Raises:
        InputError: A name is unknown, or there is no "=".
    """
    actions: dict[str, Action] = dict(ACTIONS)
    allowed = get_args(Action)
    for setting in settings:
        name, separator, action_name = (part.strip() for part in setting.partition("="))
        name, wanted = name.replace("-", "_"), action_name.replace("-", "_")
        if not separator or wanted not in allowed:
            raise InputError(
                f"a health setting must be DETECTOR=ACTION with one of {', '.join(allowed)}, "
                f"got {setting!r}; for example all_blank=stop"
            )
        action = cast("Action", wanted)
        if name == "all":
            actions = dict.fromkeys(ACTIONS, action)
        elif name in ACTIONS:
            actions[name] = action
        else:
            close = get_close_matches(name, ACTIONS, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            raise InputError(
                f"there is no health detector {name!r}.{meant} Detectors: all, {', '.join(ACTIONS)}"
            )
    return actions
