"""Guess age and gender of each face: python -m netc.dnn age_gender.py photo.jpg --face P M --age P M --gender P M"""

import argparse

import cv2
import numpy as np

AGES = ["0-2", "4-6", "8-12", "15-20", "25-32", "38-43", "48-53", "60-100"]
GENDERS = ["male", "female"]
MEAN = (78.4263377603, 87.7689143744, 114.895847746)

parser = argparse.ArgumentParser()
parser.add_argument("image")
for kind in ("face", "age", "gender"):
    parser.add_argument(f"--{kind}", nargs=2, required=True, metavar=("PROTOTXT", "MODEL"))
parser.add_argument("-c", "--confidence", type=float, default=0.7)
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

faces, ages, genders = (cv2.dnn.readNet(*files) for files in (args.face, args.age, args.gender))
image = cv2.imread(args.image)
height, width = image.shape[:2]

faces.setInput(cv2.dnn.blobFromImage(image, 1.0, (300, 300), (104, 177, 123)))
for _, _, confidence, *corners in faces.forward()[0, 0]:
    left, top, right, bottom = np.multiply(corners, [width, height, width, height]).astype(int).clip(0)
    face = image[top:bottom, left:right]
    if confidence <= args.confidence or not face.size:
        continue
    blob = cv2.dnn.blobFromImage(face, 1.0, (227, 227), MEAN)
    ages.setInput(blob)
    genders.setInput(blob)
    age, gender = ages.forward()[0], genders.forward()[0]
    label = f"{GENDERS[gender.argmax()]} {100 * gender.max():.0f} %, {AGES[age.argmax()]} {100 * age.max():.0f} %"
    print(f"{label}: {left} {top} {right} {bottom}")
    cv2.rectangle(image, (int(left), int(top)), (int(right), int(bottom)), (0, 255, 255), 2)

cv2.imwrite(args.output, image)
