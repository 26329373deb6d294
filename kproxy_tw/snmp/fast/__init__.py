"""The optional extra ``fast``: walks in compiled code (gufo-snmp), for agents that keep the rules."""
