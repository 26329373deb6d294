"""What the end of a gRPC stream means: try again or not, and in words for people. Pure."""

from __future__ import annotations

MAX_DETAILS = 300

TRANSIENT = frozenset(
    {
        "ABORTED",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "UNKNOWN",
    }
)
"""Status codes after which the same request may succeed; the others say that it will not."""

_HINTS = {
    "UNAUTHENTICATED": "the e-mail or the token is not accepted; check --email and KENTIK_API_TOKEN",
    "PERMISSION_DENIED": "this user may not relay BGP sessions, or not of this device; check --email and its rights",
    "UNIMPLEMENTED": "no kbgp backend answers there; check --target and --region",
    "RESOURCE_EXHAUSTED": "too much at once",
}

_REFUSED = "the certificate of {target} was refused: "
_CAUSES = (
    ("certificate has expired", _REFUSED + "it has expired, or the clock of this machine is wrong"),
    ("certificate is not yet valid", _REFUSED + "it is for a later time; compare the clocks"),
    ("Hostname Verification Check failed", _REFUSED + "it is for another name"),
    ("Peer name", _REFUSED + "it is for another name"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        _REFUSED + "its authority is not trusted here; name the authority's file with --tls-ca-file",
    ),
    ("WRONG_VERSION_NUMBER", "{target} does not speak TLS; is it the right port?"),
    ("UNSUPPORTED_PROTOCOL", "{target} speaks no TLS 1.2 or later"),
    (
        "HTTP proxy returned response code 407",
        "the web proxy wants a user and a password, or other ones; see HTTPS_PROXY",
    ),
    ("HTTP proxy returned response code", "the web proxy refused to connect to {target}"),
    ("DNS resolution failed", "the name of {target} was not found; check the name server, --target and --region"),
    ("Connection refused", "{target}, or the web proxy, refused the connection"),
    ("Connection timed out", "{target} did not take the connection in time"),
    ("FD Shutdown", "{target} did not take the connection in time"),
    ("No route to host", "there is no route to {target}"),
    ("Network is unreachable", "there is no route to {target}"),
    ("ping timeout", "the connection to {target} was dead"),
    ("Socket closed", "{target} closed the connection"),
    ("Connection reset", "{target} closed the connection"),
    ("GOAWAY", "{target} closed the connection"),
)


def explain(code: str, details: str | None, target: str) -> str:
    """Say why a stream ended.

    :param code: name of the status code.
    :param details: what came with it: from gRPC itself, or from the peer, so printed with care.
    """
    said = "".join(char if char.isprintable() else " " for char in (details or "")[:MAX_DETAILS]).strip()
    if code in TRANSIENT:
        for part, words in _CAUSES:
            if part.lower() in (details or "").lower():
                return words.format(target=target)
    hint = _HINTS.get(code, "")
    text = ": ".join(part for part in (hint, said) if part)
    return f"{target} answered {code}" + (f": {text}" if text else "")
