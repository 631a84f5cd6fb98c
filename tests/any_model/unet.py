"""A class a pixel by a small U-Net: logits [batch, classes, height, width]."""

import torch
import torch.nn as nn
from torch.utils.data import TensorDataset


def data(n=260, size=24):
    g = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks = torch.zeros(n, size, size, dtype=torch.long)
    for mask in masks:
        r, c = torch.randint(4, size - 4, (2,), generator=g).tolist()
        mask[(rows - r) ** 2 + (columns - c) ** 2 <= 14] = 1
        r, c = torch.randint(0, size - 7, (2,), generator=g).tolist()
        mask[r : r + 6, c : c + 6] = 2
    x = torch.tensor([0.0, 1.0, -1.0])[masks][:, None] + 0.5 * torch.randn(n, 1, size, size, generator=g)
    return TensorDataset(x[:200], masks[:200]), TensorDataset(x[200:], masks[200:])


def block(ins, outs):
    return nn.Sequential(nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, width=12, classes=3):
        super().__init__()
        self.down1, self.down2, self.deep = block(1, width), block(width, 2 * width), block(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = block(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join1 = block(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.deep(self.pool(b))
        b = self.join2(torch.cat([self.up2(c), b], 1))
        return self.head(self.join1(torch.cat([self.up1(b), a], 1)))
