"""The command line: thin commands, a file each, over the pieces that do the work."""
