"""What the host tells about itself: logs with one place that redacts them."""
