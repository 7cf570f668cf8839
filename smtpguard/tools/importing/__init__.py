"""`smtpguard import`: list files from what a list manager knows, and later what the two no longer agree about."""
