"""A TCP SYN as it came over the wire, read from an IP packet that anybody may have made up."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Buffer, Reader

Address = IPv4Address | IPv6Address

PROTOCOL_TCP = 6
HEADER_BYTES = 20
"""A TCP header without options (RFC 9293 section 3.1)."""

FLAGS_OFFSET = 13
SYN_FLAG, ACK_FLAG = 0x02, 0x10

OPTION_END, OPTION_NOP = 0, 1
OPTION_MD5 = 19
"""RFC 2385 section 3.0."""

OPTION_AUTHENTICATION = 29
"""TCP-AO, RFC 5925 section 2.2."""

DIGEST_BYTES = 16
MOST_CAPTURED = 256
"""No IP header and TCP header together are longer (60 + 60 bytes)."""

FRAGMENT_MASK = 0x3FFF
"""More Fragments and the offset (RFC 791): anything but 0 is a part of a packet."""


@attrs.frozen(kw_only=True)
class Syn:
    """One attempt of a router to connect.

    :ivar interface: index of the interface it came in on; 0 when unknown.
    :ivar header: the 20 bytes of the TCP header without options, as received.
    :ivar length: of the TCP segment, options included.
    :ivar digest: of the TCP-MD5 option; empty when there is none.
    :ivar authentication_option: it carries TCP-AO.
    """

    source: Address
    destination: Address
    interface: int = 0
    header: bytes
    length: int
    digest: bytes = b""
    authentication_option: bool = False

    @property
    def source_port(self) -> int:
        """The router's port."""
        return Reader(self.header).u16()

    @property
    def destination_port(self) -> int:
        """Our port."""
        return Reader(self.header, 2).u16()


def parse_syn(packet: Buffer, interface: int = 0) -> Syn:
    """Read an IPv4 or IPv6 packet, from its IP header on.

    :param packet: the packet; it may be cut behind the TCP header.
    :raises MalformedInput: it is no whole TCP SYN: another protocol, a fragment, no SYN, data with the SYN (whose
        digest would cover what was not captured), options that lie about their length, two signatures.
    """
    version = Reader(packet).u8() >> 4
    if version == 4:
        source, destination, tcp = _ipv4(packet)
    elif version == 6:
        source, destination, tcp = _ipv6(packet)
    else:
        raise MalformedInput(f"IP version {version}")
    length = tcp.remaining
    header = tcp.take(HEADER_BYTES)
    if header[FLAGS_OFFSET] & (SYN_FLAG | ACK_FLAG) != SYN_FLAG:
        raise MalformedInput("no SYN")
    if (header[FLAGS_OFFSET - 1] >> 4) * 4 != length:
        raise MalformedInput("a SYN with data, or a header length that lies")
    digest, authentication = _options(tcp)
    return Syn(
        source=source,
        destination=destination,
        interface=interface,
        header=header,
        length=length,
        digest=digest,
        authentication_option=authentication,
    )


def _ipv4(packet: Buffer) -> tuple[Address, Address, Reader]:
    reader = Reader(packet)
    header_bytes = (reader.u8() & 0x0F) * 4
    reader.skip(1)
    total = reader.u16()
    reader.skip(2)
    if reader.u16() & FRAGMENT_MASK:
        raise MalformedInput("a fragment")
    reader.skip(1)
    if reader.u8() != PROTOCOL_TCP:
        raise MalformedInput("no TCP")
    reader.skip(2)
    source, destination = IPv4Address(reader.take(4)), IPv4Address(reader.take(4))
    if header_bytes < reader.position:
        raise MalformedInput(f"IPv4 header of {header_bytes} bytes")
    return source, destination, Reader(packet, header_bytes, total)


def _ipv6(packet: Buffer) -> tuple[Address, Address, Reader]:
    # Extension headers are not followed: the kernel's filter lets no such packet through.
    reader = Reader(packet, 4)
    payload = reader.u16()
    if reader.u8() != PROTOCOL_TCP:
        raise MalformedInput("no TCP")
    reader.skip(1)
    source, destination = IPv6Address(reader.take(16)), IPv6Address(reader.take(16))
    return source, destination, reader.part(payload)


def _options(reader: Reader) -> tuple[bytes, bool]:
    digest, authentication = b"", False
    while reader.remaining:
        kind = reader.u8()
        if kind == OPTION_END:
            break
        if kind == OPTION_NOP:
            continue
        size = reader.u8() - 2
        body = reader.take(size)
        if kind == OPTION_MD5:
            if digest or size != DIGEST_BYTES:
                raise MalformedInput("a TCP-MD5 option of the wrong length, or two of them")
            digest = body
        authentication = authentication or kind == OPTION_AUTHENTICATION
    return digest, authentication
