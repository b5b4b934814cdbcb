"""The colours of every page and figure; imports no Plotly.

They are Okabe and Ito's, distinguishable with any colour vision; colour is never the only sign of a meaning.
Source: https://jfly.uni-koeln.de/color/
"""

from collections.abc import Mapping

#: Name → (light, dark).
COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": ("#1c2024", "#e9ebee"),
    "soft": ("#5b6470", "#a4adb8"),
    "line": ("#e2e6ea", "#313840"),
    "surface": ("#fdfdfc", "#14171b"),
    "raised": ("#f4f5f3", "#1d2126"),
    "blue": ("#0067a5", "#5db7ec"),
    "orange": ("#c65100", "#ff9a4d"),
    "green": ("#00805c", "#35c79b"),
    "purple": ("#a04a86", "#e391c8"),
    "grey": ("#8d96a1", "#79838f"),
    "heat": ("#f2a57c", "#994a16"),
    "band2": ("#4a94c4", "#4390c2"),
    "band3": ("#86b1ce", "#3b6f94"),
    "band4": ("#b4bcc4", "#55616c"),
}
