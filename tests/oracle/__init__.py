"""Oracle: what the promises and protocol.md allow, said again, and compared with the server.

``model`` is a plain and slow account of the promises; ``rules`` says, one module a feature, what a
command does there and when to try it; ``walk`` drives a real server through real sockets with
random people, and compares every frame that every client received. Invariant: ``model`` and
``rules`` import nothing of the server.
"""
