"""What a mail is: addresses, envelopes, replies, content, messages and who speaks in them. Values only."""
