"""Channels: what happens in a sphere.

    posts         many posts, one transaction
    messages      edit, delete
    reactions     on or off
    attachments   announce a file, bring it along, who may read it
    reads         how far somebody read
    spheres       found, configure, list
    reading       snapshot and history
    arrivals      invite, join, enter, appoint
    departures    leave, remove, bequeath
    membership    what becomes of stays when a membership or an office ends
    guests        visitors, invited by a sphere
    profiles      what members say of themselves, in a sphere
    directory     who else is in the organisation
    presence      whether others may see that I am there
    connectors    install, revoke
    governance    what managers do to their organisation and its members
    policies      replace what an organisation demands
    endings       how the end of sessions reaches open sockets
    outcome       what an action asks for, and what it returns
    writer        the one queue of writes: commit, then publish, then answer
    broker        how what was committed reaches every node
    hub           who on this node hears it
    listening     what the hub asks of whoever is at its other end
    readings      looks at the store that are under way
    room          one sphere as one node hears it
    passages      files on their way to members just now
    line          what a long request or answer may ask of its connection
    attendance    who of one sphere is there, as its listeners are told
    appearances   who wishes not to be seen
    typists       who types, and how often that is told
    beats         when what changed is told

An action is a plain function over an open transaction: it loads facts, asks a pure rule, writes,
and returns an Outcome. Nothing is published that is not committed.
"""
