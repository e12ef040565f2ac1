"""Answers on their way out: text for eyes, data files."""
