"""`smtpguard doctor`: looks at everything that a guard needs, also beside one that runs, and changes nothing.

Each module looks at one part and writes what it finds on a sheet; `examination` calls them in turn. Mail servers are
asked with RCPT at most, then RSET: no mail is ever sent.
"""
