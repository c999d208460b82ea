import base64
import io
import re

import numpy as np
import torch
from PIL import Image

from ldm_teach.interactive.drawing import Drawn
from ldm_teach.interactive.showing import download, frame_picture, strip


def film(frames=3, count=5, side=32, channels=3):
    values = torch.linspace(-1, 1, frames * count).reshape(frames, count, 1, 1, 1)
    return Drawn(values.expand(-1, -1, channels, side, side))


def test_samples_stand_four_in_a_row_right_of_what_was_given():
    drawn = film(1)
    picture = np.asarray(frame_picture([drawn], 0))
    assert picture.shape == (4 * (2 * 32 + 2), 4 * (4 * 32 + 3 * 2), 4)
    given = drawn._replace(asked=torch.zeros(1, 1, 32, 32))
    assert frame_picture([given], 0).width > picture.shape[1]


def test_two_drawings_stand_one_below_the_other_whatever_their_sizes():
    both = [film(1, 2, 28, 1), film(3, 2, 64)]
    one, other, all_ = (frame_picture(drawn, 2) for drawn in (both[:1], both[1:], both))
    assert all_.width == max(one.width, other.width) and all_.height == one.height + 12 + other.height


def test_a_strip_has_up_to_eight_frames_from_first_to_last():
    drawn = film(20, 2, 28, 1)
    pixels = np.asarray(strip([drawn]))
    assert pixels.shape[1] == 2 * (8 * 28 + 7 * 2)
    assert pixels[0, 0, 0] == 0 and pixels[-1, -1, 0] == 255


def test_a_link_carries_the_file_itself():
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "PNG")
    link = download(buffer.getvalue(), "a.png", "save as PNG")
    found = re.fullmatch(r'<a download="a.png" href="data:image/png;base64,(.*)" style=".*">save as PNG</a>', link)
    assert base64.b64decode(found[1]) == buffer.getvalue()
