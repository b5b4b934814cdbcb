from tuner.studies.seeds import final_seed, sampler_seed, trial_seed


def test_seeds_never_change_because_stored_studies_depend_on_them() -> None:
    seeds = (trial_seed(0, 0), trial_seed(7, 12), sampler_seed(7, 12), final_seed(7, "confirm", 12, 1))

    assert seeds == (1484405855, 1014171851, 1433290551, 893980601)


def test_uses_of_one_study_seed_do_not_meet() -> None:
    trials = {trial_seed(3, number) for number in range(500)}
    samplers = {sampler_seed(3, number) for number in range(500)}
    finals = {
        final_seed(3, stage, trial, repeat)
        for stage in ("confirm", "retrain")
        for trial in range(50)
        for repeat in range(5)
    }

    assert len(trials | samplers | finals) == 1500


def test_seeds_fit_into_31_bits() -> None:
    assert all(0 <= trial_seed(2**32 - 1, number) < 2**31 for number in range(200))
