"""`python -m tuner` is the same as `tuner`."""

from tuner.cli import main

if __name__ == "__main__":
    # A process that a person's own loader starts imports it again, under another name.
    main()
