"""A member's answer to a notice: the code that names the held mail, and the choice."""
