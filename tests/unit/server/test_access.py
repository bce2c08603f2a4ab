"""Keys and origins."""

import pytest
from starlette.datastructures import Headers

from wav2vec2_conformer.server.access import Access, socket_protocol
from wav2vec2_conformer.server.api_error import ApiError


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "secret"},
        {"authorization": "Basic secret"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer secre"},
        {"authorization": "Bearer sécret"},
        {"sec-websocket-protocol": "realtime, openai-insecure-api-key."},
    ],
)
def test_without_the_key_nobody_comes_in(headers: dict[str, str]) -> None:
    with pytest.raises(ApiError, match="API key") as caught:
        Access(["secret"], []).check(Headers(headers))
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer secret"},
        {"authorization": "bearer  secret"},
        {"sec-websocket-protocol": "realtime, openai-insecure-api-key.secret"},
    ],
)
def test_the_key_opens(headers: dict[str, str]) -> None:
    Access(["other", "secret"], []).check(Headers(headers))


def test_the_accepted_protocol_is_not_the_key() -> None:
    headers = {"sec-websocket-protocol": "openai-insecure-api-key.secret, realtime"}
    assert socket_protocol(Headers(headers)) == "realtime"
    assert socket_protocol(Headers({})) is None or socket_protocol(Headers({})) == ""


def test_an_origin_must_be_the_servers_own() -> None:
    access = Access([], ["https://friend.org"])
    access.check(Headers({"origin": "http://me:8000", "host": "me:8000"}))
    access.check(Headers({"origin": "https://friend.org", "host": "me:8000"}))
    for origin in ("http://me", "http://me:8001", "null", "https://friend.org.evil.com"):
        with pytest.raises(ApiError, match="other sites"):
            access.check(Headers({"origin": origin, "host": "me:8000"}))
