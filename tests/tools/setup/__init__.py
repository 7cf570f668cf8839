"""`smtpguard setup`."""
