"""The tests of streamhub."""
