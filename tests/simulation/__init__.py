"""The whole product in one thread, in a world made from a seed; see docs/simulation.md."""
