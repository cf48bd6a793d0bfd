"""Definitions: reading, validating, and the policy on what they may ask for."""
