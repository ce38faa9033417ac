"""Auth: who you are, and for how long.

    tokens            opaque secrets and their digests
    presented         the token that a request carries, and whether its web origin may
    passwords         Argon2id in a bounded pool
    guessing          passwords that an attacker would try first
    throttle          how often a password may be tried
    second_factor     codes that change every half minute, and those for when the device is lost
    proof             address and password, proved at the same cost whatever the answer
    sign_in           from a proof to a session
    admission         from an invitation to a membership
    change_password   from a proof to another password
    live              sessions with open sockets, and their deadlines
    deadlines         the one timer that closes what is due
    accounts          all of it, as the floors above call it

Knows neither HTTP nor WebSockets, beyond the headers that carry a token. Invariant: no address,
name, password or token leaves this floor in an exception or a log.
"""
