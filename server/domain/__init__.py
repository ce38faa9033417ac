"""Domain: the rules, as pure functions over plain values. No I/O, no clock, no logging.

facts        what the store knows, as plain values: the arguments of every rule
naming       which names are safe to show
policy       passwords and sessions: the organisation's policy, and the server's floor
permission   who may do what: one ``check_`` a command
visibility   what of a timeline a viewer may see: horizons and stamps
audience     who may hear an event as it happens
pace         how fast one may ask
profile      what of somebody shows to whom
departure    what becomes of a member's messages, bots and office when they leave
"""
