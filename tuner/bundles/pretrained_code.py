"""A net of keras.applications with its head as plain Keras code: its images, its weights, and what of it learns."""

from collections.abc import Iterator

import keras

from tuner.bundles.keras_code import call_code, compile_code, graph_code, text_of
from tuner.spaces.body import Body, body_model
from tuner.spaces.two_rates import TwoRates

_SLOWER_NET = '''class SlowerNet(keras.optimizers.{kind}):
    """Takes smaller steps for the weights of the net than for those of its head."""

    slower = frozenset()

    def update_step(self, gradient, variable, learning_rate):
        own = self._trainable_variables[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * ({rate} if own.path in self.slower else 1.0))
'''


def pretrained_preamble(model: keras.Model, body: Body, *, starts_from: str | None) -> Iterator[str]:
    """Yield what the function of `pretrained_code` needs: the file of weights, and an optimizer with two rates.

    Args:
        model: What the space `pretrained` built, compiled.
        body: The net in it.
        starts_from: The bundle or file of weights that training was told to start from; None: the file of Keras.
    """
    if body.is_pretrained:
        application = body.application
        if starts_from is not None and starts_from.endswith((".h5", ".keras")):
            yield f"WEIGHTS = {text_of(starts_from)}"
        else:
            if starts_from is not None:
                yield f"# Differs: it started from the bundle {' '.join(starts_from.split())}."
            yield f"# Keras fetches the file with: {application.fetching}"
            yield f'WEIGHTS = str(Path.home() / ".keras" / "models" / {text_of(application.file)})'
        yield from ("", "")
    optimizer = model.optimizer
    if isinstance(optimizer, TwoRates):
        yield from _SLOWER_NET.format(kind=_kind_below(optimizer).__name__, rate=optimizer.slower_rate).splitlines()
        yield from ("", "")


def pretrained_code(model: keras.Model, body: Body) -> Iterator[str]:
    """Yield the lines that build and compile the model."""
    part = body_model(model, body)
    operations = list(model.operations)
    n_prepared = next(place for place, one in enumerate(operations, start=1) if one.name == body.prepared_by)
    prepared = operations[n_prepared - 1].output
    yield from graph_code(operations[:n_prepared], output=prepared, last="prepared")
    settings = "".join(f", {name}={value}" for name, value in body.application.settings.items())
    yield f"net = keras.applications.{body.application.function}("
    yield f"    include_top=False, weights={'WEIGHTS' if body.is_pretrained else None}, input_tensor=prepared,"
    yield f"    input_shape={tuple(prepared.shape[1:])}{settings},"
    yield ")"
    yield from _freezing(part)
    names = {one.name for one in part.operations}
    head = [one for one in operations if one.name not in names]
    yield from graph_code(head, output=model.outputs[0], given={id(part.outputs[0]): "net.output"})
    yield 'model = keras.Model(inputs, outputs, name="pretrained")'
    yield from _compiling(model)


def _freezing(part: keras.Model) -> Iterator[str]:
    """Yield the lines that freeze layers of the net as they are frozen in the model."""
    with_weights = [(number, layer) for number, layer in enumerate(part.layers) if layer.weights]
    learning = [number for number, layer in with_weights if layer.trainable]
    if len(learning) == len(with_weights):
        return
    if not learning:
        yield "net.trainable = False"
        return
    yield "# The last blocks, without batch normalization, which uses the statistics that it has."
    yield f"learning = {{{', '.join(map(str, learning))}}}"
    yield "for number, layer in enumerate(net.layers):"
    yield "    layer.trainable = number in learning"


def _compiling(model: keras.Model) -> Iterator[str]:
    optimizer = model.optimizer
    if not isinstance(optimizer, TwoRates):
        yield from compile_code(model)
        return
    usual = _kind_below(optimizer).from_config(model.optimizer.get_config())
    call = call_code(usual, "keras.optimizers").partition("(")[2]
    yield "slower = [weight for layer in net.layers for weight in layer.trainable_weights]"
    yield from compile_code(model, optimizer_call=f"SlowerNet({call}", not_decayed="var_list=slower, ")
    yield "optimizer.slower = frozenset(weight.path for weight in slower)"


def _kind_below(optimizer: TwoRates) -> type[keras.optimizers.Optimizer]:
    """Return the class of Keras' that an optimizer with two rates extends."""
    kinds = type(optimizer).__mro__
    kind: type[keras.optimizers.Optimizer] = kinds[kinds.index(TwoRates) + 1]
    return kind
