"""Questions to the backend about routers, in turn."""
