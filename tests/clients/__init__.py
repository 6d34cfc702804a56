"""Real clients, none of them ours, each reading a growing stream from its start and from a saved offset to its end."""
