"""Find a person's joints: python -m netc.dnn pose.py photo.jpg PROTOTXT CAFFEMODEL (OpenPose's net for MPI)"""

import argparse

import cv2

PARTS = """head neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee
right_ankle left_hip left_knee left_ankle chest""".split()
PAIRS = [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 14), (14, 8), (8, 9), (9, 10), (14, 11), (11, 12)]
PAIRS += [(12, 13)]

parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("prototxt")
parser.add_argument("model")
parser.add_argument("--size", type=int, default=368)
parser.add_argument("--threshold", type=float, default=0.1)
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

net = cv2.dnn.readNetFromCaffe(args.prototxt, args.model)
image = cv2.imread(args.image)
height, width = image.shape[:2]

net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (args.size, args.size)))
maps = net.forward()[0]

points = {}
for number, name in enumerate(PARTS):
    _, confidence, _, (x, y) = cv2.minMaxLoc(maps[number])
    if confidence > args.threshold:
        points[number] = (int(x * width / maps.shape[2]), int(y * height / maps.shape[1]))
        print(f"{name} {confidence:.3f}: {points[number][0]} {points[number][1]}")

for one, other in PAIRS:
    if one in points and other in points:
        cv2.line(image, points[one], points[other], (0, 255, 0), 3)
cv2.imwrite(args.output, image)
