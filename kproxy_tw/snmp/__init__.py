"""SNMP: what a device says of itself, polled on time from a process of its own.

Settings go in (:mod:`~kproxy_tw.snmp.settings`), readings come out (:mod:`~kproxy_tw.snmp.reading`).
"""
