"""Model: what the promises allow, in the plainest words, and slowly."""
