"""The nets of keras.applications without their heads: how each wants its images, and the file of its weights.

A name may end in the width of a MobileNet: `MobileNet-0.25` is `MobileNet(alpha=0.25)`, which has a file of its own.
Nothing is downloaded here: Keras puts the files into its cache folder, see `weights_file`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras

# Keras has no public way to the folder that `keras.applications` fills.
from keras.src.backend.config import keras_home

from tuner.errors import TunerError, did_you_mean, shorten

#: What is made of pixels in [0, 1], which every model here is given.
#: tf: [-1, 1]. caffe: BGR from 0 to 255 less ImageNet's means. torch: less ImageNet's means, by their deviations.
#: inside: 0 to 255, as the net scales by itself. efficientnet: that, and what Keras adds for ImageNet's weights alone.
Scaling = Literal["tf", "caffe", "torch", "inside", "efficientnet"]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BGR_MEAN = (103.939, 116.779, 123.68)
_RGB = 3


class ApplicationError(TunerError):
    """The hyperparameters ask keras.applications for what it does not have, or cannot do with these images."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """One net of keras.applications, without its head."""

    name: str
    #: Its name in `keras.applications`.
    function: str
    scaling: Scaling
    #: The smallest side of its images, in pixels.
    smallest: int
    #: The weights for ImageNet without the head, in Keras' cache folder.
    file: str
    #: What the function is given besides; a MobileNet's `alpha`.
    settings: Mapping[str, float]

    @property
    def weights_file(self) -> Path:
        """Where Keras keeps the weights; the file need not be there."""
        return Path(keras_home()).expanduser() / "models" / self.file

    @property
    def fetching(self) -> str:
        """The command that lets Keras fetch the file into its cache folder."""
        settings = "".join(f"{name}={value}, " for name, value in self.settings.items())
        return f"python -c 'import keras; keras.applications.{self.function}({settings}include_top=False)'"

    def prepare(self, x: Any) -> Any:
        """Turn a tensor of RGB images in [0, 1] into what the net wants."""
        if self.scaling == "tf":
            return keras.layers.Rescaling(2.0, offset=-1.0)(x)
        if self.scaling == "torch":
            return _per_channel(
                x, [1 / sd for sd in _DEVIATION], [-m / sd for m, sd in zip(_MEAN, _DEVIATION, strict=True)]
            )
        if self.scaling == "caffe":
            return _per_channel(keras.ops.flip(x, axis=-1), [255.0] * _RGB, [-mean for mean in _BGR_MEAN])
        if self.scaling == "efficientnet":
            # Keras divides what `Normalization` returns by the roots of the deviations, for ImageNet's weights alone:
            # see `efficientnet.py` there. The same is reached before it.
            roots = [math.sqrt(deviation) for deviation in _DEVIATION]
            offsets = [255 * mean * (1 - 1 / root) for mean, root in zip(_MEAN, roots, strict=True)]
            return _per_channel(x, [255 / root for root in roots], offsets)
        return keras.layers.Rescaling(255.0)(x)

    def apply(self, x: Any) -> keras.Model:
        """Return the net, with new weights, from the inputs of a tensor of prepared images to its last features."""
        function: Callable[..., keras.Model] = getattr(keras.applications, self.function)
        return function(
            include_top=False, weights=None, input_tensor=x, input_shape=tuple(x.shape[1:]), **self.settings
        )


def _per_channel(x: Any, scale: list[float], offset: list[float]) -> Any:
    return keras.layers.Rescaling(scale, offset=offset)(x)


#: Function → how it scales, the smallest side, and the file; `{alpha}` is the width as its file says it.
_KNOWN: Mapping[str, tuple[Scaling, int, str]] = {
    "MobileNet": ("tf", 32, "mobilenet_{alpha}_224_tf_no_top.h5"),
    "MobileNetV2": ("tf", 32, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5"),
    "MobileNetV3Small": ("inside", 32, "weights_mobilenet_v3_small_224_{alpha}_float_no_top_v2.h5"),
    "MobileNetV3Large": ("inside", 32, "weights_mobilenet_v3_large_224_{alpha}_float_no_top_v2.h5"),
    "NASNetMobile": ("tf", 32, "nasnet_mobile_no_top.h5"),
    "NASNetLarge": ("tf", 32, "nasnet_large_no_top.h5"),
    "Xception": ("tf", 71, "xception_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "InceptionV3": ("tf", 75, "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    "InceptionResNetV2": ("tf", 75, "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    **{f"EfficientNetB{size}": ("efficientnet", 32, f"efficientnetb{size}_notop.h5") for size in range(8)},
    **{
        f"EfficientNetV2{size}": ("inside", 32, f"efficientnetv2-{size.lower()}_notop.h5")
        for size in ("B0", "B1", "B2", "B3", "S", "M", "L")
    },
    **{
        f"ConvNeXt{size}": ("inside", 32, f"convnext_{size.lower()}_notop.h5")
        for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
    **{
        name: ("torch", 32, f"{name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5")
        for name in ("DenseNet121", "DenseNet169", "DenseNet201")
    },
    **{
        name: ("caffe", 32, f"{name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5")
        for name in ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19")
    },
    **{
        name: ("tf", 32, f"{name.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5")
        for name in ("ResNet50V2", "ResNet101V2", "ResNet152V2")
    },
}

#: Function → the widths for which ImageNet's weights exist, the first one without a suffix.
_WIDTHS: Mapping[str, tuple[float, ...]] = {
    "MobileNet": (1.0, 0.25, 0.5, 0.75),
    "MobileNetV2": (1.0, 0.35, 0.5, 0.75, 1.3, 1.4),
    "MobileNetV3Small": (1.0, 0.75),
    "MobileNetV3Large": (1.0, 0.75),
}
#: As its files say the width of the first MobileNet.
_FIRST_MOBILENET = {1.0: "1_0", 0.75: "7_5", 0.5: "5_0", 0.25: "2_5"}


def _list_all() -> Mapping[str, Application]:
    found = {}
    for function, (scaling, smallest, file) in _KNOWN.items():
        for width in _WIDTHS.get(function, (None,)):
            alpha = _FIRST_MOBILENET[width] if function == "MobileNet" and width is not None else width
            name = function if width in (None, 1.0) else f"{function}-{width:g}"
            found[name] = Application(
                name=name,
                function=function,
                scaling=scaling,
                smallest=smallest,
                file=file.format(alpha=alpha),
                settings={} if width in (None, 1.0) else {"alpha": width},
            )
    return found


#: By name, the smaller families first.
APPLICATIONS: Mapping[str, Application] = _list_all()


def find_application(name: str) -> Application:
    """Return the net of that name.

    Raises:
        ApplicationError: There is none.
    """
    if name not in APPLICATIONS:
        raise ApplicationError(
            f"application: received {shorten(name)!r}.{did_you_mean(name, APPLICATIONS)} Expected small, or a net of "
            f"keras.applications: {', '.join(APPLICATIONS)}."
        )
    return APPLICATIONS[name]
