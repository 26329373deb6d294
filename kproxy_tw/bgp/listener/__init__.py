"""The sockets that routers connect to."""
