"""What README.md and the guides say: their commands are run, their links and their picture looked at."""
