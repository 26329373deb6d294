"""Credentials: the pair that the backend knows us by."""

from __future__ import annotations

import attrs

from kproxy_tw.errors import ConfigError

EMAIL_HEADER = "X-CH-Auth-Email"
TOKEN_HEADER = "X-CH-Auth-API-Token"  # noqa: S105  (a header's name)
MAX_CREDENTIAL_LENGTH = 1024


def _fit_for_a_header(flag: str, environment: str, value: str) -> None:
    if not value:
        raise ConfigError(flag, f"is missing; give -{flag} or set {environment}")
    if len(value) > MAX_CREDENTIAL_LENGTH or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(flag, "holds blanks, line ends, or characters that cannot be sent; copy it again")


@attrs.frozen
class Credentials:
    """An API user's e-mail address and token. The token never shows in a ``repr``.

    :raises ConfigError: one of them is missing or cannot stand in an HTTP header; the value is not repeated.
    """

    email: str
    token: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        _fit_for_a_header("api_email", "KENTIK_API_EMAIL", self.email)
        _fit_for_a_header("api_token", "KENTIK_API_TOKEN", self.token)

    def headers(self) -> dict[str, str]:
        """The header fields that authenticate a request."""
        return {EMAIL_HEADER: self.email, TOKEN_HEADER: self.token}
