"""Phones made of software, which real adb programs talk to over TCP."""
