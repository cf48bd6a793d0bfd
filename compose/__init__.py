"""From definition to compose project: rendering, running, health and logs."""
