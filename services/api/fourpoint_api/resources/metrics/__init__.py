"""What Prometheus may know of the whole service."""
