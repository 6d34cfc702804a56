"""The servers to compare with, each in a process of its own: lines on stdin go to every client, one at a time."""
