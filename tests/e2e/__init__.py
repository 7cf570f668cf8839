"""Tests against real servers: Postfix, Dovecot and Mailman 3 on loopback (README.md beside this file)."""
