"""What the framework decides, and nothing else.

Everything in this package is pure: values in, new values and actions out. It reads no clock, opens no connection,
draws no random number and writes no log; times, ids and offers are arguments, and reasons travel in the values.
"""
