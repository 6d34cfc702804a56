"""What a viewer gets and what it costs: streamhub beside what one might take instead. Started by ``scripts/bench``."""
