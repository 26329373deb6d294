"""The pair that the backend knows us by, and that nobody else may see."""

from __future__ import annotations

import pytest

from kproxy_tw.errors import ConfigError
from kproxy_tw.upstream.credentials import Credentials


def test_headers_are_those_of_the_backend_and_the_token_hides() -> None:
    """The token stands in the header and nowhere in the text form."""
    credentials = Credentials("me@example.com", "canary-71c2")
    assert credentials.headers() == {"X-CH-Auth-Email": "me@example.com", "X-CH-Auth-API-Token": "canary-71c2"}
    assert "canary" not in repr(credentials)


@pytest.mark.parametrize(
    ("email", "token", "text"),
    [
        ("", "t", "-api_email: is missing; give -api_email or set KENTIK_API_EMAIL"),
        ("me@example.com", "", "-api_token: is missing; give -api_token or set KENTIK_API_TOKEN"),
        ("me@example.com", "canary\nX-Evil: 1", "-api_token: holds blanks, line ends"),
        ("me@example.com", "canary\N{BULLET}", "-api_token: holds"),
        ("me@example.com", "canary" * 1000, "-api_token: holds"),
    ],
)
def test_unusable_credentials_name_the_flag_and_stay_secret(email: str, token: str, text: str) -> None:
    """The message says what to do and does not repeat the token."""
    with pytest.raises(ConfigError, match=text) as refused:
        Credentials(email, token)
    assert "canary" not in str(refused.value)
