"""What stands before the gRPC server: TLS, a bound for connections, and a budget for HTTP/2 frames that cost work.

gRPC itself bounds streams, metadata, messages and pings. It takes any number of SETTINGS, WINDOW_UPDATE, PRIORITY or
empty DATA frames, each of which is work for it and nothing for the sender; and nobody can ask it to close one
connection. So frame headers are counted before it sees them.
"""
