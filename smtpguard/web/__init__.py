"""The page on which senders answer, and the rules page: a door like those of the listener."""
