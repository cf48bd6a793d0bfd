"""The steward: one process with small duties, a module each."""
