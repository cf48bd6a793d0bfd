"""What Homeport costs, measured beside the raw tool in the same run: `scripts/bench NAME [--json]`."""
