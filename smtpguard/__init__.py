"""smtpguard: an SMTP proxy that asks the sender before a mail goes where it cannot be taken back from."""

__version__ = "0.1.0"
