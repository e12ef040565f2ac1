"""Bytes -> events."""
