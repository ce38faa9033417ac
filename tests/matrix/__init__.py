"""The matrix: who somebody is, what they are to a sphere, what kind of sphere, every command."""
