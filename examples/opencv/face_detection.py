"""Find faces: python -m netc.dnn face_detection.py photo.jpg PROTOTXT CAFFEMODEL (the res10 SSD)"""

import argparse

import cv2
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("prototxt")
parser.add_argument("model")
parser.add_argument("-c", "--confidence", type=float, default=0.5)
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

net = cv2.dnn.readNetFromCaffe(args.prototxt, args.model)
image = cv2.imread(args.image)
height, width = image.shape[:2]

net.setInput(cv2.dnn.blobFromImage(image, 1.0, (300, 300), (104.0, 177.0, 123.0)))
detections = net.forward()

for i in range(detections.shape[2]):
    confidence = detections[0, 0, i, 2]
    if confidence > args.confidence:
        box = detections[0, 0, i, 3:7] * np.array([width, height, width, height])
        left, top, right, bottom = (int(value) for value in box)
        print(f"face {100 * confidence:.1f} %: {left} {top} {right} {bottom}")
        cv2.rectangle(image, (left, top), (right, bottom), (0, 0, 255), 2)

cv2.imwrite(args.output, image)
