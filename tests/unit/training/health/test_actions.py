"""Settings of the monitor are read, and wrong ones explained."""

import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.health.actions import ACTIONS, read_actions


def test_settings_change_one_detector_or_all():
    assert read_actions([]) == ACTIONS
    actions = read_actions(["all=ignore", "all-blank=stop", "gradient_spike = roll-back"])
    assert actions["all_blank"] == "stop"
    assert actions["gradient_spike"] == "roll_back"
    assert actions["chance_level"] == "ignore"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("all_blank", "must be DETECTOR=ACTION"),
        ("all_blank=explode", "one of ignore, warn, stop, roll_back, got 'all_blank=explode'"),
        ("all_blanc=stop", "Did you mean all_blank"),
    ],
)
def test_wrong_settings_are_explained(setting, message):
    with pytest.raises(InputError, match=message):
        read_actions([setting])
