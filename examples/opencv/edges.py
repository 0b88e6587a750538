"""Find edges: python -m netc.dnn edges.py photo.jpg deploy.prototxt hed_pretrained_bsds.caffemodel"""

import argparse

import cv2
import numpy as np


class CropLayer:
    """HED crops in the middle; the file does not say so."""

    def __init__(self, params, blobs):
        self.left = self.top = 0

    def getMemoryShapes(self, inputs):
        (number, channels, height, width), target = inputs
        self.top, self.left = (height - target[2]) // 2, (width - target[3]) // 2
        self.bottom, self.right = self.top + target[2], self.left + target[3]
        return [[number, channels, target[2], target[3]]]

    def forward(self, inputs):
        return [inputs[0][:, :, self.top : self.bottom, self.left : self.right]]


parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("prototxt")
parser.add_argument("model")
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

cv2.dnn_registerLayer("Crop", CropLayer)
net = cv2.dnn.readNetFromCaffe(args.prototxt, args.model)
image = cv2.imread(args.image)
height, width = image.shape[:2]

net.setInput(cv2.dnn.blobFromImage(image, 1.0, (width, height), (104.00698793, 116.66876762, 122.67891434)))
edges = net.forward()[0, 0]
print(f"edges {edges.shape[1]} x {edges.shape[0]}, {100 * edges.mean():.2f} % on average")
cv2.imwrite(args.output, (255 * edges).astype(np.uint8))
