"""One file of behaviour per service; importing a file registers what it implements."""
