"""Thirteen groups of the 133 categories of COCO-panoptic: few enough that two hundred pictures can teach them.

A label map holds one of these numbers per pixel, `VOID` where nothing is known. The ids and names of the categories are
those of the `categories` list in COCO's panoptic annotations; every category belongs to exactly one group.

How doubtful ones were placed: walls of brick and stone and fences are seen from outside mostly, all other walls,
windows and doors from inside; a group that a person would look at apart from its surroundings (food, tools, clothes
not worn, signs) is `object`, what furnishes a room is `indoor`; sports fields are `ground`, whether turf or clay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

VOID = 0
"""Label of pixels without a known category."""


@dataclass(frozen=True)
class Group:
    """One label.

    Attributes:
        index: its number in label maps, 1..13.
        name: one lower-case word.
        summary: what it holds, for people.
        color: (R, G, B), 0..255, in which overlays show it.
        categories: COCO-panoptic category name by id.
    """

    index: int
    name: str
    summary: str
    color: tuple[int, int, int]
    categories: Mapping[int, str] = field(hash=False)


GROUPS: tuple[Group, ...] = (
    Group(
        1,
        "sky",
        "sky and clouds",
        (120, 190, 255),
        {187: "sky-other-merged"},
    ),
    Group(
        2,
        "water",
        "sea, rivers, lakes, pools",
        (20, 70, 200),
        {148: "river", 155: "sea", 178: "water-other"},
    ),
    Group(
        3,
        "mountain",
        "mountains, hills, rocks",
        (140, 110, 150),
        {192: "mountain-merged", 198: "rock-merged"},
    ),
    Group(
        4,
        "plant",
        "trees, bushes, flowers, potted plants",
        (20, 120, 40),
        {64: "potted plant", 119: "flower", 184: "tree-merged"},
    ),
    Group(
        5,
        "grass",
        "grass and meadows",
        (130, 220, 60),
        {193: "grass-merged"},
    ),
    Group(
        6,
        "ground",
        "bare or covered natural ground, sports fields",
        (210, 170, 110),
        {125: "gravel", 145: "playingfield", 154: "sand", 159: "snow", 194: "dirt-merged"},
    ),
    Group(
        7,
        "road",
        "roads, pavements, rails, platforms",
        (110, 110, 110),
        {144: "platform", 147: "railroad", 149: "road", 191: "pavement-merged"},
    ),
    Group(
        8,
        "building",
        "buildings and structures seen from outside",
        (190, 90, 60),
        {
            95: "bridge",
            128: "house",
            151: "roof",
            161: "stairs",
            166: "tent",
            171: "wall-brick",
            175: "wall-stone",
            185: "fence-merged",
            197: "building-other-merged",
        },
    ),
    Group(
        9,
        "indoor",
        "rooms: walls, floors, ceilings, windows, furniture, large appliances, household textiles",
        (240, 220, 170),
        {
            62: "chair",
            63: "couch",
            65: "bed",
            67: "dining table",
            70: "toilet",
            78: "microwave",
            79: "oven",
            80: "toaster",
            81: "sink",
            82: "refrigerator",
            93: "blanket",
            107: "counter",
            109: "curtain",
            112: "door-stuff",
            118: "floor-wood",
            130: "light",
            133: "mirror-stuff",
            141: "pillow",
            156: "shelf",
            168: "towel",
            176: "wall-tile",
            177: "wall-wood",
            180: "window-blind",
            181: "window-other",
            186: "ceiling-merged",
            188: "cabinet-merged",
            189: "table-merged",
            190: "floor-other-merged",
            199: "wall-other-merged",
            200: "rug-merged",
        },
    ),
    Group(
        10,
        "person",
        "people with what they wear",
        (240, 40, 60),
        {1: "person"},
    ),
    Group(
        11,
        "animal",
        "animals",
        (255, 140, 0),
        {
            16: "bird",
            17: "cat",
            18: "dog",
            19: "horse",
            20: "sheep",
            21: "cow",
            22: "elephant",
            23: "bear",
            24: "zebra",
            25: "giraffe",
        },
    ),
    Group(
        12,
        "vehicle",
        "vehicles on land, on water, in the air",
        (200, 0, 200),
        {
            2: "bicycle",
            3: "car",
            4: "motorcycle",
            5: "airplane",
            6: "bus",
            7: "train",
            8: "truck",
            9: "boat",
        },
    ),
    Group(
        13,
        "object",
        "everything else that can be carried or stands alone: food, dishes, bags, sports gear, devices, signs",
        (255, 255, 0),
        {
            10: "traffic light",
            11: "fire hydrant",
            13: "stop sign",
            14: "parking meter",
            15: "bench",
            27: "backpack",
            28: "umbrella",
            31: "handbag",
            32: "tie",
            33: "suitcase",
            34: "frisbee",
            35: "skis",
            36: "snowboard",
            37: "sports ball",
            38: "kite",
            39: "baseball bat",
            40: "baseball glove",
            41: "skateboard",
            42: "surfboard",
            43: "tennis racket",
            44: "bottle",
            46: "wine glass",
            47: "cup",
            48: "fork",
            49: "knife",
            50: "spoon",
            51: "bowl",
            52: "banana",
            53: "apple",
            54: "sandwich",
            55: "orange",
            56: "broccoli",
            57: "carrot",
            58: "hot dog",
            59: "pizza",
            60: "donut",
            61: "cake",
            72: "tv",
            73: "laptop",
            74: "mouse",
            75: "remote",
            76: "keyboard",
            77: "cell phone",
            84: "book",
            85: "clock",
            86: "vase",
            87: "scissors",
            88: "teddy bear",
            89: "hair drier",
            90: "toothbrush",
            92: "banner",
            100: "cardboard",
            122: "fruit",
            138: "net",
            195: "paper-merged",
            196: "food-other-merged",
        },
    ),
)

NAMES = ("void", *(group.name for group in GROUPS))
"""Name by label, `NAMES[0]` for void."""


def group_table() -> np.ndarray:
    """uint8 (201,): label by COCO-panoptic category id; ids that COCO does not use are void."""
    table = np.zeros(201, np.uint8)
    for group in GROUPS:
        table[list(group.categories)] = group.index
    return table


def palette() -> np.ndarray:
    """uint8 (14, 3): color by label; void is black."""
    return np.array([(0, 0, 0), *(group.color for group in GROUPS)], np.uint8)
