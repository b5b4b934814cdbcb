"""The origin of the numbers: versions, data, seeds, the definition."""

import json

from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.report.figures import StudyView
from tuner.report.markup import Child, Html, definition_list
from tuner.report.templating import fill
from tuner.report.wording import moment
from tuner.studies.records.study import MEASURED_TIME


def render_provenance(view: StudyView) -> Html:
    """Write the section of the provenance."""
    study = view.study
    facts: list[tuple[str, Child]] = [
        ("Study", study.name),
        *([("Author", author)] if (author := study.definition.get("author")) else []),
        ("Created", moment(study.created_at)),
        ("Study seed", str(study.seed)),
        ("Classes", f"{len(study.class_names)}"),
    ]
    facts += [(name.replace("_", " "), value) for name, value in study.provenance.items() if name != MEASURED_TIME]
    if study.pixels is not None:
        facts += [("Pixels", PixelMeaning.from_json(study.pixels).describe())]
        facts += [("Warning about the data", warning) for warning in study.data_warnings]
    facts += [
        (f"Seeds of final {final.rank}", ", ".join(str(run.seed) for run in final.runs))
        for final in study.finals
        if final.runs
    ]
    definition = json.dumps(study.definition, indent=2, ensure_ascii=False, default=str)
    return fill("provenance", view=view, facts=definition_list(facts), definition=definition)
