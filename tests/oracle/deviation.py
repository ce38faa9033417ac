"""Deviation: the one thing that a walk ends with, when it does not end well."""

from __future__ import annotations


class Deviation(Exception):  # it is not this program that is wrong
    """The server did what the model does not allow, or the model is wrong."""
