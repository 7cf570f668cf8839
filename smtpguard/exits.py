"""The codes that the commands end with (sysexits.h names the last three)."""

DONE = 0
# `check` found a mistake, `doctor` and `status` something to look at; `edit` and `new-list` have changed nothing;
# `remember` and `replay` could not read all; `expire` could not drop all; `import` could not write all, or found drift;
# `setup` has written nothing.
FOUND_SOMETHING = 1
WRONG_COMMAND_LINE = 2
# No store, port, output, (`doctor`) mail server, (`import`) list manager, or (`status`) running guard.
UNAVAILABLE = 69
# `state_dir`, or the file to write, cannot be written.
CANNOT_CREATE = 73
BROKEN_SETTINGS = 78
# Ctrl-C, as shells have it: `remember` has kept what it has read, `replay` nothing.
INTERRUPTED = 130
