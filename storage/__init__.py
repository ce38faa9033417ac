"""Storage: SQL in, domain nouns out; alone in knowing SQLAlchemy.

    database        transactions, on threads: one writer, a few readers
    engine          what a database must do; engine_sqlite and engine_postgres do it
    wanted, upserts what the two say differently
    schema          the tables; migrations/ brings any earlier database up to them
    identifiers     random ids
    organisations, accounts, members, sessions      who people are
    admissions, second_factors, profiles, exports   how they come in, and what is theirs
    errands, charge                                 what another process asks, and of which
    spheres, stays, invitations, connectors         what they are inside
    timeline        a sphere's events: append, read
    posts           many posts in one transaction
    departures      what a leaver wrote, erased

Every function takes the open transaction first and runs to its end without waiting: it is called
by ``Database.read`` or ``Database.write``, off the event loop. Invariant: a refusal raised inside
a transaction leaves nothing behind.
"""
