"""What pixels mean: which stored values are black and white, which side is the background, and how images are scaled.

meaning            `PixelMeaning`, which a study and its bundles keep; it alone turns stored pixels into bytes
decision           decides the meaning for a training part, by `range_decision`, `transparency` and `polarity`
stored_range       which values are black and white, where the numbers show it
part_comparison    whether a test part is stored as its training part is
warnings           what may still be wrong, as sentences
scaling            images of another size
"""
