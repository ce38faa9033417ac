"""Operations: what whoever runs a server does beside it.

    backup      a copy of the data, while the server runs; and back, while it does not
    doctor      what is wrong with this installation, and what to do
    migrating   bring the tables up to this release
    commands    the sub-commands of all these

Invariant: nothing here reads what people said.
"""
