"""What people and monitoring read: the page, ``/totals``, ``/flows``, health and metrics."""
