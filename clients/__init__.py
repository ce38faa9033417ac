"""Clients: programs that know the server by its protocol alone.

Invariant: nothing here imports the server or its storage, so that whatever works from here is
proof that ``protocol.md`` is enough to write a client.
"""
