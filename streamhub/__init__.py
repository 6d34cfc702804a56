"""streamhub: watch long-running missions live, and do nothing else to them."""
