"""Building images on the box."""
