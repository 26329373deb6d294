"""kbgp: relays the BGP sessions of routers in private networks, byte for byte, over gRPC to the backend.

A router's TCP connection (``protocol``) is a session (``session``) whose bytes travel through a tunnel (``client``)
that outlives its stream; what a stream must carry first (parameters, a TCP-MD5 key, a refusal) comes from the control
stream. No route is kept, nothing is parsed beyond framing.
"""
