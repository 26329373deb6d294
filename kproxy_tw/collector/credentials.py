"""Who may use kcollect: an email and a token, compared in constant time. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from ipaddress import ip_address

import attrs

from kproxy_tw.errors import ConfigError

EMAIL_HEADER = "X-CH-Auth-Email"
TOKEN_HEADER = "X-CH-Auth-API-Token"  # noqa: S105 - the header's name
MAX_CREDENTIAL = 1024
"""Longest email or token that is looked at, in bytes."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@attrs.frozen
class Credentials:
    """What is demanded of clients.

    :ivar email, token: the pair; both empty: any non-empty pair will do.
    :ivar open_pages: whether reading (pages, ``/totals``, ``/flows``) needs no credentials.
    """

    email: str = ""
    token: str = attrs.field(default="", repr=False)
    open_pages: bool = True

    @classmethod
    def for_listener(cls, host: str, email: str, token: str) -> Credentials:
        """The rule: reading is open on loopback only, and only there any pair of credentials will do.

        :raises ConfigError: half a pair, or none where one is required.
        """
        loopback = is_loopback(host)
        if bool(email) != bool(token):
            raise ConfigError("email" if token else "token", "-email and -token belong together; give both or none")
        if not email and not loopback:
            raise ConfigError("token", f"-email and -token are required to listen on {host}, which others can reach")
        return cls(email, token, open_pages=loopback)

    def match(self, email: bytes, token: bytes) -> bool:
        """Whether a pair is right. Takes the same time wherever it differs."""
        if not email or not token or max(len(email), len(token)) > MAX_CREDENTIAL:
            return False
        if not self.email:
            return True
        right_email = hmac.compare_digest(email, self.email.encode())
        right_token = hmac.compare_digest(token, self.token.encode())
        return right_email and right_token

    def match_headers(self, emails: Sequence[bytes], tokens: Sequence[bytes]) -> bool:
        """Whether the values of the two ``X-CH-Auth`` headers are one right pair."""
        return len(emails) == len(tokens) == 1 and self.match(emails[0], tokens[0])

    def match_basic(self, authorizations: Sequence[bytes]) -> bool:
        """Whether the ``Authorization`` header is HTTP Basic (RFC 7617) with a right pair."""
        if len(authorizations) != 1 or len(authorizations[0]) > 4 * MAX_CREDENTIAL:
            return False
        scheme, _, encoded = authorizations[0].strip().partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            email, _, token = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
        return self.match(email, token)
