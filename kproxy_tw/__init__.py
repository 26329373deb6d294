"""Telemetry proxies for Twisted: flow and SNMP (kproxy), BGP (kbgp), and a collector for both (kcollect).

Where things stand::

    errors       the exception tree, drawn in its docstring
    interfaces   the seams that two implementations share, with their contracts
    assembly     the only wiring: one function per daemon, in the order data flows
    addresses    IP addresses in one form, and networks of them
    flowbatch    FlowBatch: the columns that every stage after decoding speaks
    reader       bounded network-order cursor; the only place that unpacks bytes
    ledger       what happened to every record: counts, rates, high-water marks
    status       frozen values that pages and JSON are made from
    intake       whose datagram is it: source address, device
    inbox        what came from one exporter since it was last walked
    deviceintake a device's exporter sessions, and the walk of what they send
    streams      connections of IPFIX exporters on their way into the intake
    pipeline     the tick: per device, once a second, sample, columns, encode, deliver
    service      timers and threads around the pipelines, and the drained stop
    overview     gathers what the parts know of themselves for pages and metrics
    backoff      exponential waits with full jitter
    offload      the seam to a thread, for work that blocks
    protocols    what protocols and services are called
    redaction    secrets that no text may show
    ordered/     the order in which a daemon's parts start and stop
    commands/    command line: one flag table per daemon, Options and makeService
    listen/      UDP, TCP and TLS sockets; the only way telemetry bytes come in
    capture/     files of captured packets, for kproxy decode, fields and replay
    devices/     registry, exporter sessions, device API client, refresh
    decode/      NetFlow v5, v9, IPFIX and sFlow: walked at once, decoded in columns later
    sample/      cap, thinning, weights, and rates that the operator sets per exporter
    enrich/      columns that flows get after decoding: names and speeds of interfaces
    kflow/       layout, encode, decode
    deliver/     messages on their way to the backend: queue, retry, sessions
    upstream/    HTTPS sessions to the backend
    snmp/        what devices say of themselves: settings in, polls in a process of its own, readings out
    reload/      files that SIGHUP makes us read again
    selfmetrics/ what kproxy counts of itself, for the backend, syslog, standard error and graphite
    bgp/         kbgp: sessions of routers on one side, gRPC streams on the other
    export/      kbgp's own log and metrics on their way to the backend
    collector/   kcollect: device API, intake, store, queries
    web/         health port and pages
    testing/     public fakes and the demonstration

A datagram travels ``listen``, ``devices``, ``decode``, ``sample``, ``decode`` (columns), ``kflow``,
``deliver``, and never back. Network and disk are touched only in ``service``, ``protocol``, ``client``, ``app``,
``web/pages`` and the stores; every other module is pure and imports without Twisted.
"""

__version__ = "0.1.0"
