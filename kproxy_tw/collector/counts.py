"""What kcollect counts about itself, for ``/metrics``. Pure."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class CollectorCounts:
    """Counters in a registry of their own. Outcomes are HTTP statuses, so their number is bounded."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.posts = Counter("kcollect_posts", "Answered POSTs.", ["path", "status"], registry=self.registry)
        self.flows = Counter("kcollect_flows", "Flows stored durably.", registry=self.registry)
        self.bytes = Counter("kcollect_body_bytes", "Bytes of flow bodies, as they came in.", registry=self.registry)
        self.metrics = Counter("kcollect_tsdb_values", "Values taken on /tsdb.", registry=self.registry)
        self.dns = Counter("kcollect_dns_answers", "DNS answers taken on /dns.", registry=self.registry)
        self.snmp = Counter("kcollect_snmp_documents", "SNMP documents taken.", registry=self.registry)
        self.snmp_reports = Counter("kcollect_snmp_reports", "Reports of SNMP polls stored.", registry=self.registry)
        self.waiting = Gauge("kcollect_waiting_messages", "Messages that wait to be stored.", registry=self.registry)
        self.commits = Gauge("kcollect_commits", "Commits so far; each stores all that waited.", registry=self.registry)
        self.duplicates = Gauge(
            "kcollect_duplicates", "Messages that came again after they were stored.", registry=self.registry
        )
        self.devices = Gauge("kcollect_devices", "Devices in the directory.", registry=self.registry)
        self.bgp_sessions = Gauge("kcollect_bgp_sessions", "BGP sessions that kbgp relays.", registry=self.registry)
        self.bgp_agents = Gauge("kcollect_bgp_agents", "Control streams of kbgp.", registry=self.registry)
        self.bgp_held = Gauge("kcollect_bgp_held_bytes", "Bytes of BGP that wait.", registry=self.registry)
        self.bgp_ended = Gauge("kcollect_bgp_ended", "BGP sessions that have ended so far.", registry=self.registry)
        self.bgp_resumed = Gauge("kcollect_bgp_resumed", "Streams that went on with a session.", registry=self.registry)
        self.bgp_floods = Gauge("kcollect_bgp_floods", "Connections closed for a flood.", registry=self.registry)

    def exposition(self) -> bytes:
        """All of it in the Prometheus text format."""
        return generate_latest(self.registry)
