"""The values that a definition's grid has, against what its space asks for."""

from collections.abc import Sequence

from tuner.studies.grid_sampler import GridValuesError
from tuner.studies.sections import SearchSection
from tuner.workers.bridge import DeclaredParameter


def check_grid(search: SearchSection, declared: Sequence[DeclaredParameter]) -> None:
    """Check that the grid has values for all continuous hyperparameters, and for none that is not asked for.

    Raises:
        GridValuesError: It has not.
    """
    if search.sampler != "grid":
        return
    known = {name for parameter in declared for name in (parameter.name, parameter.optuna_name)}
    unknown = sorted(set(search.grid) - known)
    if unknown:
        raise GridValuesError(
            f"search.grid has values for {', '.join(unknown)}, which the space does not ask for. "
            f"It asks for: {', '.join(sorted({parameter.name for parameter in declared}))}."
        )
    missing = sorted(
        {
            parameter.name
            for parameter in declared
            if parameter.optuna_values is None and not {parameter.name, parameter.optuna_name} & set(search.grid)
        }
    )
    if missing:
        raise GridValuesError(
            f"The sampler grid needs values for the continuous hyperparameters {', '.join(missing)}. "
            f"Give them, as in `--set search.grid.{missing[0]}=[…]`, or fix them: `--set fixed.{missing[0]}=…`."
        )
