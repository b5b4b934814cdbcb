"""Preflight: what search and finals will need is tried on a few of the real images before a study is stored.

`stages` are what is tried, in their order; `child` tries them in a process of its own, so that whatever a person's code
does there (a crash, an endless loop, a print) is told in one line and leaves nothing behind; `process` starts and
watches that process; `checking` is the whole of it, with the images read meanwhile. Only `stages`, `rehearsal` and
`child` import Keras.
"""
