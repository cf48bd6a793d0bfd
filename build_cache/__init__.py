"""Building images on the box: running BuildKit, showing how far it is, saying why it failed."""
