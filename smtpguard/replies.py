"""Every SMTP reply that we ourselves give, each with its reason. Whatever else a client reads is the mail server's own.

ASCII, one line (mutt shows the last line only, Thunderbird all of them), at most 512 octets (RFC 5321, 4.5.3.1.5), with
an enhanced status code (RFC 3463). Nothing of a mail stands in them, for a front may log them (THREAT-MODEL T-42).
"""

from __future__ import annotations

from smtpguard.mail.reply import Reply

# ---------------------------------------------------------------- answers to commands that need no mail server
OK = Reply.of(250, "2.0.0 Ok")  # NOOP, and RSET where no MAIL has gone up: RSET counts as a junk command upstream
SENDER_OK = Reply.of(250, "2.1.0 Ok")  # MAIL on the answers door, which has no mail server behind it
RECIPIENT_OK = Reply.of(250, "2.1.5 Ok")  # RCPT to the guard's own addresses, which are not mirrored
BYE = Reply.of(221, "2.0.0 Bye")  # QUIT is answered at once; the mail server's own 221 is not waited for
HELP = Reply.of(214, "2.0.0 See RFC 5321")  # RFC 5321, 4.1.1.8: helpful information, of which there is little
CANNOT_VERIFY = Reply.of(252, "2.0.0 Cannot VRFY user, but will try to deliver")  # RFC 5321, 3.5.3: tells nothing
TAKEN = Reply.of(250, "2.0.0 Ok")  # a member's mail behind a front, whatever became of it: its log keeps this (T-42)
GO_AHEAD = Reply.of(354, "End data with <CR><LF>.<CR><LF>")  # a 354 has no enhanced code (RFC 2034, 4)
START_TLS = Reply.of(220, "2.0.0 Ready to start TLS")  # RFC 3207, 4

# ---------------------------------------------------------------- commands that cannot be obeyed
BAD_COMMAND = Reply.of(500, "5.5.2 Command unrecognized")  # unknown verb
BAD_OCTETS = Reply.of(500, "5.5.2 Bare CR, bare LF or NUL in a command")  # what smuggling starts with; we close
COMMAND_TOO_LONG = Reply.of(500, "5.5.2 Command line too long")  # RFC 5321, 4.5.3.1.4; we close
NOT_IMPLEMENTED = Reply.of(502, "5.5.1 Command not implemented")  # known verbs that the guard does not carry
BAD_ARGUMENT = Reply.of(501, "5.5.4 Syntax error in the argument")  # what we cannot read we cannot judge
UNKNOWN_PARAMETER = Reply.of(555, "5.5.4 Parameter not recognized")  # RFC 5321, 4.1.1.11
HELLO_FIRST = Reply.of(503, "5.5.1 Send EHLO or HELO first")  # also after STARTTLS: all was forgotten (RFC 3207, 4.2)
MAIL_FIRST = Reply.of(503, "5.5.1 Need MAIL command")
NESTED_MAIL = Reply.of(503, "5.5.1 Nested MAIL command")
NOT_IN_TRANSACTION = Reply.of(503, "5.5.1 Not permitted during a mail transaction")  # XCLIENT, XFORWARD
NO_RECIPIENTS = Reply.of(554, "5.5.1 No valid recipients")  # DATA without an accepted RCPT gets no 354
TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3 Too many recipients")  # RFC 5321, 4.5.3.1.10
OTHER_SORT_LATER = Reply.of(452, "4.5.3 Send answers and letters separately")  # one reply cannot speak for both
RECIPIENT_UNREADABLE = Reply.of(553, "5.1.3 Write this address plainly: name@domain")  # who gets it, nobody can say
NO_SUCH_ADDRESS = Reply.of(550, "5.1.1 No such address here")  # the answers door takes the guard's own addresses only
TOO_EARLY = Reply.of(503, "5.5.0 Improper use of pipelining")  # octets behind DATA or STARTTLS; we close
TOO_MANY_MESSAGES = Reply.of(421, "4.7.0 Too many messages in one session, connect again")  # the mail is put off
TOO_MUCH_TALK = Reply.of(421, "4.7.0 Too many commands without mail")  # NOOP and its kin; see listener/allowance
TOO_MANY_ERRORS = Reply.of(421, "4.7.0 Too many errors")  # bounds what a broken or probing client may cost

# ---------------------------------------------------------------- login and TLS
LOGIN_FIRST = Reply.of(530, "5.7.0 Authentication required")  # RFC 4954, 6; the guard itself must be no open relay
LOGIN_TWICE = Reply.of(503, "5.5.1 Already authenticated")  # RFC 4954, 4: no second AUTH
LOGIN_NOT_NOW = Reply.of(503, "5.5.1 AUTH is not permitted during a mail transaction")  # RFC 4954, 4
LOGIN_UNREADABLE = Reply.of(501, "5.5.2 Cannot read this AUTH response")  # whose identity we cannot read, goes not up
MECHANISM_UNKNOWN = Reply.of(504, "5.5.4 Unrecognized authentication mechanism")  # only what was offered (T-40)
LOGIN_NEEDS_TLS = Reply.of(538, "5.7.11 Encryption required for authentication")  # RFC 4954, 6; auth_without_tls
TLS_TWICE = Reply.of(503, "5.5.1 TLS is already active")
TLS_TOO_LATE = Reply.of(503, "5.5.1 STARTTLS comes before AUTH and MAIL")  # the mail server cannot forget a login
NO_TLS_HERE = Reply.of(502, "5.5.1 STARTTLS is not offered")
STRANGER = Reply.of(554, "5.7.1 This door is not open to you")  # `trust` of the answers and filter doors
STRANGER_PUT_OFF = Reply.of(421, "4.7.1 This door is not open to you")  # `trust` of the tap: no copy may bounce (T-17)

# ---------------------------------------------------------------- content
CONTENT_BAD_OCTETS = Reply.of(550, "5.5.2 Bare CR, bare LF or NUL in the message")  # SMTP smuggling; we close
CONTENT_TOO_LARGE = Reply.of(552, "5.3.4 Message too large")
STORAGE_FULL = Reply.of(452, "4.3.1 Insufficient system storage")  # the temporary file could not be written
MAIL_LOOP = Reply.of(554, "5.4.6 Too many hops, this message goes round in a loop")  # RFC 5321, 6.3; RFC 3463, 3.5
COPY_LATER = Reply.of(451, "4.3.0 This copy cannot be remembered now, try again later")  # store or keys; the tap only

# ---------------------------------------------------------------- endings
UPSTREAM_AWAY = Reply.of(421, "4.3.2 The mail server is not available, try again later")  # no greeting of its own
UPSTREAM_LOST = Reply.of(451, "4.4.2 The mail server closed the connection, nothing was sent")  # the running command
UPSTREAM_GONE = Reply.of(421, "4.4.2 The mail server has closed the connection")  # the next command: no login is kept
UPSTREAM_UNSURE = Reply.of(451, "4.4.2 The mail server has not confirmed the message")  # it died after the final dot
INTERNAL = Reply.of(451, "4.3.0 Internal error, try again later")  # a bug of ours; names nothing
IDLE = Reply.of(421, "4.4.2 Timeout, closing the connection")  # RFC 5321, 4.5.3.2.7
SHUTTING_DOWN = Reply.of(421, "4.3.2 Shutting down")  # SIGTERM: open transactions finish, new ones do not begin
TOO_MANY_CONNECTIONS = Reply.of(421, "4.3.2 Too many connections, try again later")
TOO_MANY_FROM_ADDRESS = Reply.of(421, "4.7.0 Too many connections from your address, try again later")


def put_off(refusal: Reply) -> Reply:
    """`refusal`, a 5xx of ours, as the 4xx of a door where nothing is refused for good (T-17)."""
    return Reply.of(451, *(f"4{each[1:]}" for each in refusal.lines))
