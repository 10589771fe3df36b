"""Trains a small convolutional network on the handwritten digits of scikit-learn and exports it.

Writes digits.pt2 (torch.export, dynamic batch 1..256) and digits_test.npz: images float32 [360,1,8,8] in 0..1 and
labels int64 [360], which the network has not seen. Both are kept in the repository, so that the quickstart needs no
PyTorch; run this again only to change them. Needs torch and scikit-learn; takes half a minute.
"""

import pathlib
import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests/fixtures"))
import neutral_paths  # noqa: E402


class DigitsNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(128, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 10))

    def forward(self, image):
        return self.head(self.features(image))


def load_data():
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    return train_test_split(images, digits.target.astype(np.int64), test_size=360, random_state=0,
                            stratify=digits.target)


def train(model, images, labels, epochs=40, batch=64):
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs=epochs,
                                                   steps_per_epoch=-(-len(images) // batch))
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def main():
    torch.manual_seed(0)
    train_images, test_images, train_labels, test_labels = load_data()
    model = train(DigitsNet(), train_images, train_labels)
    with torch.no_grad():
        predicted = model(torch.from_numpy(test_images)).argmax(1).numpy()
    print(f"accuracy on {len(test_labels)} unseen digits: {(predicted == test_labels).mean():.4f}")

    batch = torch.export.Dim("batch", min=1, max=256)
    program = torch.export.export(model, (torch.from_numpy(test_images[:2]),), dynamic_shapes=({0: batch},))
    torch.export.save(program, HERE / "digits.pt2")
    neutral_paths.rewrite(HERE / "digits.pt2")
    np.savez(HERE / "digits_test.npz", images=test_images, labels=test_labels)
    for name in ("digits.pt2", "digits_test.npz"):
        print(f"{name}: {(HERE / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
