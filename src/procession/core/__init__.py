"""The model: pure values and functions, without I/O, clock or chance."""
