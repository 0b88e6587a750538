"""Colour a grey photo: python -m netc.dnn colorization.py grey.jpg PROTOTXT CAFFEMODEL pts_in_hull.npy"""

import argparse

import cv2
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("prototxt")
parser.add_argument("model")
parser.add_argument("points", help="the centres of the 313 colours, 313 x 2")
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

net = cv2.dnn.readNetFromCaffe(args.prototxt, args.model)
points = np.load(args.points).transpose().reshape(2, 313, 1, 1)
net.getLayer(net.getLayerId("class8_ab")).blobs = [points.astype(np.float32)]
net.getLayer(net.getLayerId("conv8_313_rh")).blobs = [np.full([1, 313], 2.606, np.float32)]

image = cv2.imread(args.image).astype(np.float32) / 255
lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
lightness = cv2.resize(lab, (224, 224))[:, :, 0] - 50

net.setInput(cv2.dnn.blobFromImage(lightness))
colours = net.forward()[0].transpose((1, 2, 0))
print(f"colours from {colours.min():.1f} to {colours.max():.1f}")

colours = cv2.resize(colours, (image.shape[1], image.shape[0]))
coloured = np.concatenate((lab[:, :, :1], colours), axis=2)
coloured = cv2.cvtColor(coloured, cv2.COLOR_LAB2BGR).clip(0, 1)
cv2.imwrite(args.output, (255 * coloured).astype(np.uint8))
