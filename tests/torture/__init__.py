"""`python -m tests.torture`: faults played against a running guard, many times, and what became of each mail."""
