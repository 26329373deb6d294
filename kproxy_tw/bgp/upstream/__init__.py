"""The gRPC streams of kbgp: ``client`` of the package above puts them together.

::

    config     what can be set
    channels   HTTP/2 connections, each shared by a few sessions
    calls      how a call begins
    pump       how messages are written to it
    control    the control stream, kept for ever
    questions  who waits for its answers
    data       one Data stream: opened, read, written
    tunnel     a session over as many Data streams as it needs
"""
