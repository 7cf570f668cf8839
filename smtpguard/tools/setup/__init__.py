"""`smtpguard setup`: a first configuration, by questions and by looking at what is there."""
