"""IPFIX over TCP and TLS (RFC 7011 section 10.4): one connection is one exporter session with templates of its own."""
