"""Protocol: the wire, once. Types, codes and codecs; no I/O, no clock, no rules.

scalars     identifiers, bounds and small vocabularies that the structs share
views       what a client is shown of spheres and members
commands    what a client may send: one struct a command
replies     what answers a command: exactly one each
events      what the server tells unasked: on a timeline (with ``seq``), or to one session
connector   the write-only dialect of bots
codec       bytes to command and back, in both encodings; framing
close       close codes, in two ranges: come back, and stop
"""
