"""The page that members read: which mail is asked about, which lists there are, and what is remembered for how long."""
