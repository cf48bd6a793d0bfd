"""Makes definitions of what other tools read: docker run lines, compose files of any age, Amahi's scripts."""
