"""Picture files: decoded within bounds, many at a time, or one for a prediction.

file              one file; `orientation` is the one EXIF tag that is read
stack             the pictures of one folder as one array
decoding          many files by several threads; `cache` keeps the result for all processes of a machine
progress          lines that tell how far decoding is
predicted         one picture for a prediction; `character_page` finds the character on a photograph
"""
