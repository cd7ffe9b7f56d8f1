"""Sinks: whom a task tells that it has ended, by webhook, NATS or mail."""
