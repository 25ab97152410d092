"""The steps, one a file, each from the schema before it to its own. They are written by `make migration`."""
