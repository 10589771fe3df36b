"""Tuning of modules while a program runs that knows nothing of it."""
