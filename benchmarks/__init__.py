"""Benchmarks: what a server of this checkout does on this machine, beside floors of the same run.

Measures and judges nothing else: no figure here is a test. Invariant: whatever is compared was
measured in one run, alternately, on the same two cores, because figures of two machines (or of one
machine an hour later) differ by more than what is being looked for.
"""
