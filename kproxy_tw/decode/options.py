"""What the operator may choose about decoding."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class DecodeOptions:
    """Choices.

    :ivar decap: of a packet in a tunnel, the inner one is the flow (``-decap``).
    :ivar drop_egress: sFlow samples that were taken at the output interface are dropped (``-sflow_drop_egress``).
    :ivar agent_address: sFlow devices are known by their agent address, not by the address that the datagram came from
        (``-sflow_agent_address``).
    :ivar exporter_address: records that name a registered device as their exporter (IANA 130, 131) count as that
        device's; ``-ignore_exporter_address`` leaves them with the sender.
    """

    decap: bool = False
    drop_egress: bool = False
    agent_address: bool = False
    exporter_address: bool = True


AS_SENT = DecodeOptions()
"""Nothing chosen."""
