"""Tools: what developers run. No part of the server, and nothing of it imports this package.

comments     the ``#:`` comments of a module: what constants and fields say of themselves
shapes       a wire struct as the reader of a reference sees it
pairs        which reply answers which command
markdown     tables and prose
wire         the generated half of ``protocol.md``
variables    the generated half of ``docs/settings.md``
figures      the generated half of ``docs/metrics.md``
pages        documents whose second half is generated: rewrite, or say that they are stale
reference    the command: ``python -m tools.reference``
"""
