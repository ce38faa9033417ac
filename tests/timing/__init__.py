"""Timing: whether answers that must not be told apart can be told apart by how long they take.

A command, not a test of the suite: `python -m tests.timing sign-in` and `python -m tests.timing
invisible`, on a machine that does nothing else. Each runs a server of its own in another process,
asks two questions in turn, in an order drawn anew for each round, over one connection, and says
whether the difference of the medians has nothing in its confidence interval.
"""
