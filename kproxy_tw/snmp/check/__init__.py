"""One poll for the eye: ``-test_snmp`` and ``-type=snmp_check``."""
