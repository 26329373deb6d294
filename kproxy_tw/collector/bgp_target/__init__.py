"""The gRPC target of kcollect: what kbgp relays arrives here and goes on to a BGP daemon.

::

    kbgp ─TLS─► guard ─► gRPC ─► app ─► control     questions about routers, answered from the device list
                (floods)             └► session ─► BGP daemon, from a source address of each router's own

A session outlives its stream: while kbgp comes back, the daemon's connection stays, and both sides send again what
the other has not read.
"""
