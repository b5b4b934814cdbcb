"""What other tools call the samplers and pruners, for suggestions."""

from collections.abc import Mapping, Sequence

#: Setting → the name elsewhere, in lower case without separators → the names here.
OTHER_NAMES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "search.sampler": {
        **dict.fromkeys(("bayes", "bayesian", "bayesianoptimization", "bo", "smbo"), ("tpe", "gp")),
        **dict.fromkeys(("gaussianprocess", "gpbo", "kriging"), ("gp",)),
        **dict.fromkeys(("randomsearch", "uniform"), ("random",)),
        **dict.fromkeys(("gridsearch", "gridsearchcv", "exhaustive"), ("grid",)),
        **dict.fromkeys(("sobol", "halton", "quasirandom", "quasimontecarlo"), ("qmc",)),
        **dict.fromkeys(("evolution", "evolutionary"), ("cmaes", "nsga2")),
        **dict.fromkeys(("genetic", "ga", "nsga", "nsgaii", "moea"), ("nsga2",)),
        **dict.fromkeys(("nsgaiii",), ("nsga3",)),
    },
    "search.pruner": {
        **dict.fromkeys(("successivehalving", "halving", "sha"), ("asha",)),
        **dict.fromkeys(("bohb", "hb"), ("hyperband",)),
        **dict.fromkeys(("no", "nop", "off", "false"), ("none",)),
        **dict.fromkeys(("earlystopping", "patience"), ("patient",)),
    },
}
