"""Which URLs: from ``-region``, ``-api`` and ``-flow_url`` to the backend's four endpoints.

Hosts of the public service: US ``api.kentik.com`` and ``flow.kentik.com``, EU the same under ``kentik.eu``, any other
region ``X`` under ``X.kentik.com``.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs

from kproxy_tw.errors import ConfigError

API_PATH = "/api/internal"
DEFAULT_API = "https://api.kentik.com" + API_PATH
MAX_URL_LENGTH = 2048

_DOMAINS = {"": "kentik.com", "us": "kentik.com", "iad1": "kentik.com", "eu": "kentik.eu", "fra1": "kentik.eu"}
_REGION_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
_SERVICE_HOST = re.compile(r"(^|\.)kentik\.(com|eu)(:\d+)?$")
_SERVICE_API_HOST = re.compile(r"api\.((?:[a-z0-9-]+\.)?kentik\.(?:com|eu))")


@attrs.frozen
class Endpoints:
    """Base URLs without a slash at the end.

    :ivar api: of the device API, ``.../api/internal``.
    :ivar flow: takes kflow by POST.
    :ivar tsdb: takes our own metrics by POST.
    :ivar dns: takes names seen in DNS answers by POST.
    :ivar snmp: takes reports of SNMP polls by POST; empty for the public service, which has no such thing.
    """

    api: str
    flow: str
    tsdb: str
    dns: str
    snmp: str = ""


def endpoints(region: str, api: str | None, flow_url: str | None) -> Endpoints:
    """Derive the endpoints from the three flags.

    :param region: ``""``, ``us`` and ``iad1`` are the US, ``eu`` and ``fra1`` the EU, another name its own region.
    :param api: base of the device API, without a path ``/api/internal``; ``None``, or its documented default,
        leaves the choice to ``region``. An ``-api`` of another service region brings that region's flow host; a
        host of your own brings ``/chf``, ``/tsdb`` and ``/dns`` on it.
    :param flow_url: takes flow, with ``tsdb`` and ``dns`` beside it.
    :raises ConfigError: no such URL or region can be, or a plain ``http`` URL leaves this machine.
    """
    domain = region_domain(region)
    flow = f"https://flow.{domain}"
    if api is None or api.rstrip("/") == DEFAULT_API:
        api = f"https://api.{domain}{API_PATH}"
    else:
        parts = _checked("api", api)
        api, flow = _text(parts if parts.path.strip("/") else parts._replace(path=API_PATH)), _flow_host(parts)
    chf = f"{flow}/chf"
    if flow_url is not None:
        chf = _text(_checked("flow_url", flow_url))
        flow = _beside(chf)
    snmp = "" if _SERVICE_HOST.search(urlsplit(flow).netloc.lower()) else f"{flow}/snmp"
    return Endpoints(api=api, flow=chf, tsdb=f"{flow}/tsdb", dns=f"{flow}/dns", snmp=snmp)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by its very spelling: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def region_domain(region: str) -> str:
    """The domain under which a region's hosts are. :raises ConfigError: no region can have that name."""
    name = region.strip().lower()
    if name in _DOMAINS:
        return _DOMAINS[name]
    if not _REGION_NAME.fullmatch(name):
        raise ConfigError("region", "is no region's name; give us, eu, or a name of letters, digits and dashes")
    return f"{name}.kentik.com"


def _flow_host(api: SplitResult) -> str:
    service = _SERVICE_API_HOST.fullmatch(api.netloc.lower())
    if service:
        return f"https://flow.{service.group(1)}"
    return f"{api.scheme}://{api.netloc}"


def _checked(flag: str, url: str) -> SplitResult:
    """Take a URL apart. A password in it is never repeated in the error."""
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(flag, "is no URL: too long, or blanks or other characters that must be percent-encoded")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(flag, f"is no URL: {error}") from None
    if parts.scheme not in ("https", "http") or not (_HOST_NAME.fullmatch(host) or _is_ipv6(host)):
        raise ConfigError(flag, "must look like https://host/path")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(flag, "must hold no user name, password, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(flag, f"plain http would show the token to the network; use https://{parts.netloc}")
    return parts


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host).version == 6 and "%" not in host
    except ValueError:
        return False


def _text(parts: SplitResult) -> str:
    return urlunsplit(parts).rstrip("/")


def _beside(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rpartition("/")[0]))
