"""Gateway: WebSocket sessions.

link          the outgoing half of a connection, and what it talks to
slim, plain   the two links: prepared frames under uvicorn, and any ASGI server
upgrade, conversation, inflow, wheel    what slim is made of: HTTP until the upgrade, the ASGI
              half, bytes to events, and one ring of deadlines for all connections
connection    one person's connection: hello, then commands, one at a time
bot           one connector's connection: it can only bring in
speaker       what the two have in common
services      what every connection shares
dispatch      the table from command to action
connect       the handshake: origin, token, subprotocol
"""
