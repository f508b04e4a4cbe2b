"""A TimeSformer on a CPU, channel by channel, with its gradient written out.

Tokens are (D, columns), a row for every channel: the class token of all clips first, then every patch, frames before
places in a frame, all clips of it side by side. So loops run over many clips at once, and no axis ever moves.
"""
