"""The settings of the site and of its lists: files in, values out.

`loading.load` is the only door. What comes out of it is typed and frozen: no dict and no YAML reaches anybody else, and
nothing is guessed: a file that could mean two things gets a message with file, line, column and what to write instead.
"""
