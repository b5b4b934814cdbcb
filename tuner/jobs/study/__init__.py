"""What the jobs of one study have in common, opened on this machine: images, space, scoring, first weights.

data               the images, read and divided once per machine, after a check that they are those of its creation
space              the space's builder, refused if it has changed since the study was created
scoring            how the objective is measured
starting_weights   what models start from; `weights_file` looks at a bundle's file without Keras
"""
