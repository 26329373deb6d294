"""What protocols and services are called (IANA's registries). Pure."""

from __future__ import annotations

PROTOCOLS = {
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    115: "L2TP",
    132: "SCTP",
}
"""Names of common protocols (IANA protocol numbers); others show their number."""

SERVICES = {
    20: "ftp-data",
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "domain",
    67: "dhcp",
    80: "http",
    88: "kerberos",
    110: "pop3",
    123: "ntp",
    143: "imap",
    161: "snmp",
    179: "bgp",
    389: "ldap",
    443: "https",
    445: "smb",
    465: "smtps",
    500: "isakmp",
    514: "syslog",
    587: "submission",
    636: "ldaps",
    853: "dns over tls",
    873: "rsync",
    993: "imaps",
    995: "pop3s",
    1194: "openvpn",
    1433: "ms-sql",
    1812: "radius",
    1883: "mqtt",
    1935: "rtmp",
    2049: "nfs",
    3306: "mysql",
    3389: "rdp",
    3478: "stun",
    4500: "ipsec nat-t",
    4789: "vxlan",
    5060: "sip",
    5222: "xmpp",
    5432: "postgresql",
    5900: "vnc",
    6379: "redis",
    8080: "http-alt",
    8443: "https-alt",
    9418: "git",
    51820: "wireguard",
}
"""Names of common services (IANA port numbers and what everybody calls them)."""


def protocol_name(number: int) -> str:
    """A protocol in words."""
    return PROTOCOLS.get(number, f"protocol {number}")
