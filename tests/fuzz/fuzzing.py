"""How many inputs are tried, and what counts as an answer.

`TUNER_FUZZ_EXAMPLES` sets how many inputs are tried for each reader (100 without it, always the same
ones). `make fuzz` tries 10,000, and others each time.
"""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tuner.errors import TunerError

_N_EXAMPLES = int(os.environ.get("TUNER_FUZZ_EXAMPLES", "100"))
IS_LONG = "TUNER_FUZZ_EXAMPLES" in os.environ
_LONGEST_LINE = 2_000

#: What damage is drawn from, see `mutations`.
SEEDS = st.integers(0, 2**32 - 1)

fuzz = settings(
    max_examples=_N_EXAMPLES,
    # The ordinary tests try the same inputs each time.
    derandomize=not IS_LONG,
    database=None,
    # Milliseconds for one input.
    deadline=5_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def expect_an_answer(read: Callable[[], object]) -> None:
    """Let the reader read; it may refuse with one line that a person can act on, and with nothing else."""
    try:
        read()
    except TunerError as error:
        message = str(error)
        assert message.strip()
        assert "\n" not in message
        assert len(message) < _LONGEST_LINE
