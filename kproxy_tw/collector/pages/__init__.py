"""What programs and monitoring read: ``/totals``, ``/flows``, health and metrics."""
