#!/usr/bin/python3
"""Milliseconds that Pillow takes for a photo on one core, as torchvision prepares it.

    pillow_rate.py FOLDER [full|scaled] [ROUNDS]

Decodes, scales the shorter side to 224 (antialiased bilinear), crops the centre, divides by 255 and
normalises. Prints the median of the rounds. scaled uses draft mode."""
import glob, io, statistics, sys, time

import numpy as np
import PIL
from PIL import Image

SIDE = 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
files = [open(name, "rb").read() for name in sorted(glob.glob(sys.argv[1] + "/*.jpg"))]
scaled = sys.argv[2:3] == ["scaled"]
rounds = int((sys.argv[3:4] or ["5"])[0])


def prepare(data):
    image = Image.open(io.BytesIO(data))
    if scaled:
        image.draft("RGB", (SIDE, SIDE))
    image = image.convert("RGB")
    width, height = image.size
    short = min(width, height)
    width, height = SIDE * width // short, SIDE * height // short
    image = image.resize((width, height), Image.BILINEAR)
    left, top = round((width - SIDE) / 2), round((height - SIDE) / 2)
    image = image.crop((left, top, left + SIDE, top + SIDE))
    planes = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).astype(np.float32)
    planes /= 255
    planes -= MEAN
    planes /= STD
    return planes


times = []
for _ in range(rounds):
    began = time.perf_counter()
    for data in files:
        prepare(data)
    times.append((time.perf_counter() - began) / len(files) * 1e3)
print(f"{statistics.median(times):.3f} Pillow {PIL.__version__}")
