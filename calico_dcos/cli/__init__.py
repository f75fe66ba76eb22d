"""The command line that asks a running scheduler, and passes an operator's commands on to it.

`client` talks HTTP, `words` turns documents into lines, purely, `tables` draws the same for a terminal, and `commands`
puts them together.
"""
