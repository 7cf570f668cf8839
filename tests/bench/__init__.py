"""How fast smtpguard is beside its peers: `make bench`. No test; see README.md here."""
