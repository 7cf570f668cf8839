"""What the guard writes to members: the notice, and the short mails that follow an answer."""
