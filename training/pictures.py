"""Contact sheets of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def save_sheet(path: Path, images: np.ndarray, columns: int, zoom: int = 2, gap: int = 2) -> None:
    """Save pictures [n, h, w, 3] uint8, row by row, enlarged `zoom` times."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = Image.fromarray(sheet)
    sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.NEAREST).save(path)
