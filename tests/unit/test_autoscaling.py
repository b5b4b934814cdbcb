from collections.abc import Callable

import pytest

from tuner.workers.autoscaling import WINDOW_S, ScalingDecision


def settle(decision: ScalingDecision, rate: Callable[[int], float], memory: Callable[[int], float]) -> int:
    """Play a machine whose workers finish `rate(per_gpu)` epochs a second."""
    now_s, epochs = 0.0, 0.0
    while not decision.settled:
        assert now_s < 100 * WINDOW_S
        now_s += 5
        epochs += 5 * rate(decision.per_gpu)
        decision.observe(now_s=now_s, epochs=int(epochs), all_train=True, memory=memory(decision.per_gpu))
    return decision.per_gpu


@pytest.mark.parametrize(
    ("full_at", "memory_each", "max_per_gpu", "expected"),
    [
        (1, 0.1, 16, 1),
        (4, 0.1, 16, 4),
        (100, 0.2, 16, 4),
        (100, 0.5, 16, 1),
        (100, 0.01, 3, 3),
    ],
)
def test_workers_are_added_while_throughput_and_memory_allow(
    full_at: int, memory_each: float, max_per_gpu: int, expected: int
) -> None:
    decision = ScalingDecision(max_per_gpu=max_per_gpu)

    assert settle(decision, lambda n: 2.0 * min(n, full_at), lambda n: n * memory_each) == expected


def test_the_last_one_goes_again_when_it_slows_the_others_down() -> None:
    assert settle(ScalingDecision(max_per_gpu=16), lambda n: {1: 1.0, 2: 1.9, 3: 1.2}[n], lambda _: 0.1) == 2


def test_a_window_in_which_a_worker_waited_says_nothing() -> None:
    decision = ScalingDecision(max_per_gpu=16)
    for second in range(0, int(10 * WINDOW_S), 5):
        decision.observe(now_s=second, epochs=second, all_train=second % 60 != 0, memory=0.1)

    assert (decision.per_gpu, decision.settled) == (1, False)
