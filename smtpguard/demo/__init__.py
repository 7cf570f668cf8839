"""The tour of `make demo`: a small mail server of its own, the guard in front of it, and some members who write."""
