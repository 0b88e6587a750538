"""Find objects: python -m netc.dnn object_detection.py photo.jpg PROTOTXT CAFFEMODEL (MobileNet-SSD, or any SSD)"""

import argparse
from pathlib import Path

import cv2

VOC = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person
pottedplant sheep sofa train tvmonitor""".split()

parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("prototxt")
parser.add_argument("model")
parser.add_argument("--names", help="a file with a class name a line, the background first; PASCAL VOC's by default")
parser.add_argument("-c", "--confidence", type=float, default=0.4)
parser.add_argument("-o", "--output", default="out.png")
args = parser.parse_args()

names = Path(args.names).read_text().splitlines() if args.names else VOC
model = cv2.dnn.DetectionModel(args.prototxt, args.model)
model.setInputParams(scale=1 / 127.5, size=(300, 300), mean=(127.5, 127.5, 127.5))

image = cv2.imread(args.image)
classes, confidences, boxes = model.detect(image, args.confidence)
for number, confidence, (left, top, width, height) in zip(classes, confidences, boxes, strict=True):
    label = f"{names[number]} {100 * confidence:.1f} %"
    print(f"{label}: {left} {top} {width} {height}")
    corner = (int(left + width), int(top + height))
    cv2.rectangle(image, (int(left), int(top)), corner, (0, 255, 0), 2)
    cv2.putText(image, label, (int(left), int(top) - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 0), 2)

cv2.imwrite(args.output, image)
