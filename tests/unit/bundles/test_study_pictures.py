from pathlib import Path

import numpy as np
import pytest
from support.report_sample import sample_pictures

from tuner.artifacts import ArtifactStore
from tuner.bundles.arrays import pack_arrays
from tuner.bundles.sealed import seal
from tuner.bundles.study_pictures import PicturesUnreadableError, read_study_pictures, write_study_pictures


@pytest.mark.parametrize("augmented", [True, False])
def test_pictures_are_read_as_they_were_written(tmp_path: Path, augmented: bool) -> None:  # noqa: FBT001 - pytest calls it so
    store = ArtifactStore(str(tmp_path))
    pictures = sample_pictures(augmented=augmented)

    write_study_pictures(store, "x.zip", pictures)
    read = read_study_pictures(store, "x.zip")

    assert read.data.class_counts == pictures.data.class_counts
    assert np.array_equal(read.data.sample_images, pictures.data.sample_images)
    assert (read.data.augmented is None) is not augmented
    assert read.layer_names == pictures.layer_names
    assert [(one.kind, one.shape) for one in read.layers.layers] == [("Conv2D", (26, 26, 16)), ("Dense", (64,))]
    assert np.array_equal(read.layers.layers[1].maps, pictures.layers.layers[1].maps)
    assert read.layers.filters is not None


@pytest.mark.parametrize(
    "content",
    [b"no zip", seal({"pictures.json": b"{}", "arrays.npz": pack_arrays({})}), seal({"other": b""})],
    ids=["no zip", "other text", "other members"],
)
def test_damaged_pictures_are_told(tmp_path: Path, content: bytes) -> None:
    store = ArtifactStore(str(tmp_path))
    store.write("x.zip", content)

    with pytest.raises(PicturesUnreadableError, match="are damaged"):
        read_study_pictures(store, "x.zip")
