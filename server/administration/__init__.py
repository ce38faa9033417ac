"""Administration: run organisations from the command line, beside a server or without one.

    wishes      what can be asked that touches stays and sessions, and what it comes to
    foreman     does what is asked, in the server that is in charge of the database
    office      the command line's side: asks, or does it itself when no server runs
    answers     how the command line says what came of it
    durations   lengths of time as people write them
    listed      people in a file of comma-separated values
    commands    the sub-commands and their flags
    organisations, people, places    what the sub-commands do

Reads no content: it can list who is a member, never who is inside which sphere. Invariant: whatever
ends a stay is done by the process in charge, so that what it says on a timeline is heard in order.
"""
