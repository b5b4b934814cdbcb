"""Preflight: before a study is stored, try on a few of its images everything that search and finals will need.

    checking      runs the whole preflight: it reads the images while the other process tries the stages
    process       starts and watches that process, seen from its parent
    child         that process: whatever the user's code does in it (a crash, an endless loop, a print) is reported in
                  one line and leaves nothing behind
    stages        what is tried, in order
    rehearsal     one trial and one final on a few images: the state that stages share
    sample        the few images, and how they reach the other process
    trying        runs one stage and collects its duration, warnings and failure
    report        the result of one stage

Only `stages`, `rehearsal` and `child` import Keras.
"""
