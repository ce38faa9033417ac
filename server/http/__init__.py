"""HTTP: what is asked once and answered once; conversations are the gateway's.

    body        a request's body, bounded
    refusals    a refusal as an answer; the headers that every answer carries
    cookies     the session cookie of browsers
    accounts    sign in, sign out, change a password
    admission   accept an invitation
    second_factor   set up a second factor, do without it again
    attachments   the bytes of files, in and out
    transfer    one file that comes or goes, as its session and its timeline see it
    own         close one's account, take one's own data along
    health      alive, ready
    bring       what bots bring in
    hooks       what the tools that people already have send, as it is
    intake      what both have in common: who brings, how fast, into the store
    routes      which of these answers where

Invariant: every answer is built here or in ``refusals``, so that none leaves without its headers.
"""
