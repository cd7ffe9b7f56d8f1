"""Telling others: which addresses may be called, what is sent, when it is sent again."""
