"""Cloison: a real-time messaging server whose groups are watertight."""

__version__ = "0.1.0"
