"""Architectures to search: the families of this package, one module each, and people's own builders by import path.

Knows Keras, KerasTuner and the format of images; must not know Optuna, a database, datasets or training.

A space is a function `build(hp, images)` that asks KerasTuner's `hp` for hyperparameters and returns a compiled model,
which takes float32 images in [0, 1] and returns one number for each class. From a name to a model:

    registry.open_space          a name of the table SPACES, or package.module:Object
      mlp, cnn, resnet           the families; activations, dense and compile_settings are what they share
      pretrained                 the family of nets of keras.applications (applications): their weights and blocks
                                 (body), their optimizer (two_rates)
      reports                    the recipes: nets as their authors trained them, one module a report
      import_path                a person's own builder: HyperModel or function
        sources                  the files that it consists of, for their hash
        imported_settings        what these set in Keras (keras_settings) at import, put in place before each build
    space.Space                  what everything above this package is handed
      builder_errors             around each `build`: prints go to stderr, an exception names the line (own_code)
      model_shapes               what `build` returned takes the images and has all its weights

About a space, by building its models: `declared` lists its hyperparameters, `description` puts them in words,
`fixed_values` checks the values that a study fixes, and `double_scaling` finds layers that scale the images once more.

`registry` and `own_code` can be imported without Keras.
"""
