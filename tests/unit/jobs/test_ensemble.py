import numpy as np
import pytest

from tuner.bundles.ensemble import soft_vote
from tuner.jobs.finals.members import choose_members


def test_a_sure_member_outvotes_two_doubtful_ones() -> None:
    sure = np.array([[0.9, 0.1]], np.float32)
    doubtful = np.array([[0.4, 0.6]], np.float32)

    vote = soft_vote([sure, doubtful, doubtful])

    assert vote.argmax(axis=1).tolist() == [0]
    assert vote.dtype == np.float32
    np.testing.assert_allclose(vote, [[1.7 / 3, 1.3 / 3]], rtol=1e-6)


def test_the_vote_does_not_depend_on_the_order_of_the_members() -> None:
    members = list(np.random.default_rng(0).dirichlet(np.ones(10), size=(5, 1000)).astype(np.float32))

    assert np.array_equal(soft_vote(members), soft_vote(members[::-1]))


@pytest.mark.parametrize("members", [[], [np.ones((2, 3)), np.ones((3, 3))]])
def test_members_must_have_seen_the_same_images(members: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="Expected at least one member, all of the same shape"):
        soft_vote(members)


@pytest.mark.parametrize(
    ("known", "members"),
    [
        ([0.99, 0.99, 0.98], [0, 1, 2]),
        ([0.90, 0.99, 0.97], [1, 2]),
        ([0.60, 0.25, 0.10], [0, 1]),
        ([0.60, 0.20], [0, 1]),
        ([1.0, 0.98, 0.97], [0, 1]),
        ([0.5], [0]),
        ([], []),
    ],
)
def test_a_model_known_to_be_far_worse_than_the_best_does_not_vote(known: list[float], members: list[int]) -> None:
    assert choose_members(known) == members
