"""What each kind of augmentation costs: seconds per epoch of whole-epoch programs with it and without, in turns.

    python bench/augmentation.py                            three minutes
    python bench/augmentation.py --models mlp cnn --out bench/results/augmentation.json

Models, images and laps are those of `epochs.py`; the table shows medians of the seconds with the one kind switched on,
divided by those without any. The draws on the host are part of an epoch. The backend is `KERAS_BACKEND`.
"""

import argparse
import json
import statistics
from pathlib import Path

from epochs import BUILDERS, SEED, Laps, describe_conditions, random_images

from tuner.datasets.images import LabelledImages
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.session import release_memory, seed_everything
from tuner.training.train import train
from tuner.training_settings import Augmentation

KINDS: dict[str, Augmentation | None] = {
    "none": None,
    "affine": Augmentation.only(rotation=10, zoom=0.1, shift=0.1, shear=0.1),
    "cutout": Augmentation.only(cutout=0.4),
    "tones": Augmentation.only(brightness=0.2, contrast=0.2),
    "elastic": Augmentation.only(elastic=0.05),
    "mixup": Augmentation.only(mixup=0.2),
    "cutmix": Augmentation.only(cutmix=1.0),
    "all": Augmentation.only(
        rotation=10,
        zoom=0.1,
        shift=0.1,
        shear=0.1,
        elastic=0.05,
        brightness=0.2,
        contrast=0.2,
        cutout=0.4,
        mixup=0.2,
        cutmix=1.0,
    ),
}


def time_epochs(name: str, data: LabelledImages, kind: str, *, batch_size: int, epochs: int) -> Laps:
    """Time the epochs after the first of one run."""
    seed_everything(SEED)
    laps = Laps()
    plan = TrainingPlan(epochs=1 + epochs, batch_size=batch_size, seed=SEED, augmentation=KINDS[kind])
    train(BUILDERS[name](), TrainingData(train=data, validation=None), plan, on_epoch=laps.end_epoch)
    release_memory()
    return laps


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(BUILDERS), default=["mlp", "cnn"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int, help="images an epoch; default 20,000 for mlp, 3,200 for the others")
    parser.add_argument("--epochs", type=int, default=3, help="measured epochs a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    print(f"{'model':8}{'kind':10}{'images':>8}{'epoch s':>9}{'ratio':>7}{'ratio of CPU seconds':>22}")
    for name in arguments.models:
        data = random_images(arguments.images or (20_000 if name == "mlp" else 3_200))
        laps: dict[str, list[Laps]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.rounds):
            for kind, measured in laps.items():
                measured.append(time_epochs(name, data, kind, batch_size=arguments.batch_size, epochs=arguments.epochs))
        wall = {kind: statistics.median(s for lap in measured for s in lap.wall) for kind, measured in laps.items()}
        cpu = {kind: statistics.median(s for lap in measured for s in lap.cpu) for kind, measured in laps.items()}
        for kind in KINDS:
            row = {"model": name, "kind": kind, "images": len(data), "wall_s": wall[kind], "cpu_s": cpu[kind]}
            rows.append(row)
            print(f"{name:8}{kind:10}{len(data):8}{wall[kind]:9.3f}{wall[kind] / wall['none']:7.2f}", end="")
            print(f"{cpu[kind] / cpu['none']:22.2f}", flush=True)
    if arguments.out:
        conditions = {**describe_conditions(arguments.rounds), "measured_epochs_per_round": arguments.epochs}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({**conditions, "batch_size": arguments.batch_size, "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
