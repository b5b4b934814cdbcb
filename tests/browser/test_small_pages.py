"""The pages of `lr-range`, `dataset show --html` and `inspect` in a real Chromium."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser
from support.accessibility import serious_violations
from support.report_sample import sample_pictures

from tuner.bundles.bundle import BundleDescription, Provenance
from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import ImageFormat
from tuner.datasets.summary import summarise
from tuner.report.dataset_page import write_dataset_page
from tuner.report.inspection_page import write_inspection
from tuner.report.rate_range_page import write_rate_range
from tuner.training.rate_curve import read_curve

NASTY = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def write_rates(path: Path) -> Path:
    rates = np.geomspace(1e-6, 100, 100)
    losses = np.interp(np.log10(rates), [-6, -4, -2, 0, 2], [2.3, 2.3, 0.3, 2.3, 50])
    curves = [read_curve(name, rates, losses[:length].tolist(), batch_size=64) for name, length in PLANNED]
    return write_rate_range(curves, space=NASTY, dataset=NASTY, path=path)


PLANNED = (("sgd", 100), ("adam", 80), ("rmsprop", 20))


def write_dataset(path: Path) -> Path:
    dataset = open_dataset("digits", data_dir=path.parent)
    summary = summarise(dataset, dataset.read_training_part())
    return write_dataset_page(summary, sample_pictures().data, path)


def write_inspected(path: Path) -> Path:
    description = BundleDescription(
        space="mlp",
        hyperparameters={"units": 3},
        images=ImageFormat(height=28, width=28, channels=1, class_names=(NASTY, *"123456789")),
        provenance=Provenance(
            study=NASTY, trial=0, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256="ab" * 32
        ),
    )
    names = ["1.png", NASTY]
    return write_inspection(description, sample_pictures().layers, names=names, n_parameters=10, path=path)


@pytest.mark.parametrize("write", [write_rates, write_dataset, write_inspected])
def test_a_page_is_quiet_accessible_and_fits_a_phone_in_light_and_dark(
    browser: Browser, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path / "page.html")
    noises: list[str] = []
    for scheme, width in (("light", 1280), ("dark", 390)):
        context = browser.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            bypass_csp=True,
        )
        page = context.new_page()
        page.on("console", lambda message: noises.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: noises.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (noises.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: noises.append(request.url) if "://" in request.url[5:] else None)
        page.goto(path.as_uri())
        page.evaluate("['beforeprint', 'afterprint'].forEach((name) => dispatchEvent(new Event(name)))")

        assert serious_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter((image) => image.complete && !image.naturalWidth).length"
        assert page.evaluate(broken) == 0
        context.close()

    assert noises == []
