"""`smtpguard replay`: list archives run through one configuration or two, in order of time (what would be held?).

`gathering` reads archives into a spool, `chronology` puts their mails in order, `playing` judges them with a memory of
its own that grows as a guard's does, `processes` plays two configurations side by side, `tallies` counts, and `words`,
`figures` and `page` show it. The guard's own state is never looked at (THREAT-MODEL T-16).
"""
