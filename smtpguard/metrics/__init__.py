"""What a running guard tells monitoring: totals and times, never a name, list, row, account or choice (T-53)."""
