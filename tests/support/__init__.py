"""What tests of several folders share, and benchmarks: servers to test against, studies in a database, builders.

pytest finds it by `pythonpath` in `pyproject.toml`; everything else by `PYTHONPATH=tests`. What only one folder's tests
share is a module of that folder.
"""
