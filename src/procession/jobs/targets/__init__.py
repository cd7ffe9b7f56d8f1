"""Where imported rows go: places the operator of a worker has named, never an input."""
