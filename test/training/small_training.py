"""A data set in memory and a small network, so that whole trainings take a second."""

import numpy as np

from yolact_ros.data.sample import Sample

SIDE = 96
SMALL_NETWORK = {'input_size': SIDE, 'fpn_channels': 16, 'num_prototypes': 4,
                 'mask_rescoring': False}


class Blocks:
    """Images of one or two coloured rectangles, red ones and blue ones; a SampleSource."""

    class_names = ('red', 'blue')

    def __init__(self, count=6):
        self.count = count

    def __len__(self):
        """Return the number of images."""
        return self.count

    def sample(self, index, rng):
        """Return image number index, always the same."""
        random = np.random.default_rng(index)
        image = random.integers(90, 110, (SIDE, SIDE, 3)).astype(np.uint8)
        boxes, masks, class_ids = [], [], []
        for left in (4, 34)[:1 + index % 2]:
            x0, y0 = left + random.integers(0, 6), random.integers(4, 20)
            x1, y1 = x0 + random.integers(14, 22), y0 + random.integers(16, 30)
            class_ids.append(int(random.integers(2)))
            image[y0:y1, x0:x1] = ((220, 20, 20), (20, 20, 220))[class_ids[-1]]
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[y0:y1, x0:x1] = 1
            masks.append(mask)
            boxes.append((x0, y0, x1, y1))
        return Sample(image, np.float32(boxes), np.stack(masks), np.int64(class_ids),
                      np.zeros(len(boxes), bool), f'block {index}')
