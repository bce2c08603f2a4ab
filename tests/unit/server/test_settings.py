"""Settings by name and by environment."""

import pytest
from pydantic import ValidationError

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.server.model_set import load_models
from wav2vec2_conformer.server.running import listen
from wav2vec2_conformer.server.settings import ServerSettings


def test_the_environment_is_read_and_names_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2VC_PORT", "9000")
    monkeypatch.setenv("W2VC_MAX_AUDIO_S", "60")
    monkeypatch.setenv("W2VC_API_KEYS", "secret-1, secret-2,")
    settings = ServerSettings(port=9001)
    assert (settings.port, settings.max_audio_s) == (9001, 60)
    assert settings.api_keys == ("secret-1", "secret-2")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "value",
    [{"port": 70_000}, {"batch_seconds": 0}, {"compute_type": "int3"}, {"max_reqests": 3}],
)
def test_values_that_cannot_be_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(**value)


def test_two_models_may_not_have_one_name() -> None:
    with pytest.raises(InputError, match="two models are called 'a'"):
        load_models(ServerSettings(models="a=,a=", classification_model="none"))


def test_a_port_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}"):
            listen("127.0.0.1", port)
    with pytest.raises(InputError, match=r"no\.such\.host"):
        listen("no.such.host.invalid", 80)
