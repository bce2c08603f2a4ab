"""Options of the Ray Serve application; what it does is in tests/integration."""

import sys

import pytest

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.scale import serving


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replica": "2"}, "allowed are replicas=N or MIN:MAX, .*got replica=2"),
        ({"replicas": "many"}, "got replicas=many"),
        ({"replicas": "3:2"}, "at least one replica .* got 3 to 2"),
        ({"replicas": "0"}, "got 0 to 0"),
        ({"cpus": "two"}, "cpus and gpus must be numbers: .*two"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        serving.app(options)


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wav2vec2-conformer\[ray,server\]'"):
        serving.make_application()


def test_options_become_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(serving, "make_application", lambda **given: seen.append(given))
    serving.app({})
    serving.app({"replicas": "1:4", "cpus": "2", "gpus": "0.5"})
    assert seen == [
        {"min_replicas": 1, "max_replicas": 1, "num_cpus": 1.0, "num_gpus": 0.0},
        {"min_replicas": 1, "max_replicas": 4, "num_cpus": 2.0, "num_gpus": 0.5},
    ]
