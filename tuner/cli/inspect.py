"""`tuner inspect`: what the layers of a bundle's model see."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuner.cli.completion import complete_datasets
from tuner.cli.options import BundleArgument, JsonOption, settings_for
from tuner.cli.output import open_progress_console, print_json

if TYPE_CHECKING:
    from tuner.bundles.layer_pictures import LayerPictures
    from tuner.plain_values import JSONObject

#: More would make a page that nobody reads.
_MOST_IMAGES = 24


def inspect(
    bundle: BundleArgument,
    images: Annotated[
        list[Path] | None,
        typer.Argument(help=f"PNG, JPEG, TIFF, BMP, GIF or WebP images, at most {_MOST_IMAGES}.", metavar="IMAGE"),
    ] = None,
    *,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Look at training images of this dataset, one of each class.",
            metavar="NAME|PATH",
            autocompletion=complete_datasets,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write.", metavar="FILE")] = Path("inspect.html"),
    as_json: JsonOption = False,
) -> None:
    """Show what a model's layers see of images: first filters, feature maps, and the pixels its answer depends on."""
    if bool(images) == bool(dataset):
        raise typer.BadParameter("Give image files, or a dataset with --dataset.", param_hint="IMAGE")
    if images and len(images) > _MOST_IMAGES:
        raise typer.BadParameter(f"Received {len(images)}, expected at most {_MOST_IMAGES}.", param_hint="IMAGE")
    settings = settings_for(None)
    with open_progress_console().status("Loading the model …"):
        from tuner.training.backend import load_backend

        load_backend()
        from tuner.bundles.ensemble import read_model_file
        from tuner.bundles.inspection import look_inside
        from tuner.bundles.looked_at import choose_member, read_files, take_training_images
        from tuner.datasets.reading import DecodedPictures
        from tuner.report.inspection_page import write_inspection

        read, remark = choose_member(read_model_file(bundle, artifacts=settings.artifacts))
        if dataset is None:
            names, pixels = read_files(read.description, images or [])
        else:
            names, pixels = take_training_images(
                read.description,
                dataset,
                data_dir=settings.data_dir,
                n_most=_MOST_IMAGES,
                decoded=DecodedPictures(folder=settings.picture_cache),
            )
        model = read.build_model()
        pictures = look_inside(model, pixels)
        path = write_inspection(read.description, pictures, names=names, n_parameters=model.count_params(), path=out)
    if remark:
        typer.echo(remark, err=True)
    if as_json:
        print_json(_to_json(pictures, names, read.description.images.class_names, path))
    else:
        typer.echo(path)


def _to_json(pictures: "LayerPictures", names: Sequence[str], class_names: Sequence[str], path: Path) -> "JSONObject":
    return {
        "page": str(path),
        "images": [
            {"file": name, "class": class_names[int(row.argmax())], "probability": float(row.max())}
            for name, row in zip(names, pictures.probabilities, strict=True)
        ],
        "n_layers": pictures.n_layers,
        "layers": [
            {"position": layer.position, "kind": layer.kind, "shape": list(layer.shape)} for layer in pictures.layers
        ],
    }
