"""Who may call: keys, and pages of other origins."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers

from wav2vec2_conformer.server.api_error import ApiError

_BEARER = "bearer "
# How OpenAI's clients in browsers send a key with a socket, which can have no header.
_SOCKET_KEY = "openai-insecure-api-key."


class Access:
    """Checks keys and origins.

    Args:
        api_keys: Keys of which a client must send one; empty lets everybody in.
        allowed_origins: Other origins whose pages may call; `*` for all.
    """

    def __init__(self, api_keys: Sequence[str], allowed_origins: Sequence[str]) -> None:
        self._keys = [key.encode() for key in api_keys]
        self._allowed_origins = frozenset(allowed_origins)

    def check(self, headers: Headers) -> None:
        """Let a request in, or not.

        Raises:
            ApiError: When it has no valid key, or a page of a stranger sent it.
        """
        self._check_origin(headers)
        if self._keys and not self._is_known(_find_key(headers)):
            raise ApiError(
                401,
                "this server wants an API key, and the request has none or another. Send it as "
                "the header `Authorization: Bearer KEY` (`api_key` of OpenAI's client).",
                code="invalid_api_key",
            )

    def _is_known(self, key: str) -> bool:
        # All keys are compared, each in constant time: the time tells nothing about them.
        matches = [hmac.compare_digest(key.encode(), known) for known in self._keys]
        return any(matches)

    def _check_origin(self, headers: Headers) -> None:
        """Refuse what another site's page makes a browser send; other clients name no origin."""
        origin = headers.get("origin")
        if origin is None or origin in self._allowed_origins or "*" in self._allowed_origins:
            return
        if origin.partition("://")[2] != headers.get("host"):
            raise ApiError(
                403,
                "pages of other sites may not call this server. Its owner can allow them with "
                "--allow-origin.",
                code="origin_not_allowed",
            )


def socket_protocol(headers: Headers) -> str | None:
    """Return the protocol of a socket that is to be accepted, where the client names some."""
    return next((name for name in _protocols(headers) if not name.startswith(_SOCKET_KEY)), None)


def _find_key(headers: Headers) -> str:
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    keys = (name for name in _protocols(headers) if name.startswith(_SOCKET_KEY))
    return next(keys, "").removeprefix(_SOCKET_KEY)


def _protocols(headers: Headers) -> list[str]:
    return [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
