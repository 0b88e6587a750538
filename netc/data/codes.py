"""What can be wrong with data: the codes DAT001 to DAT029."""

from netc.errors import Code

NO_SOURCE = Code(
    "DAT001",
    "nothing reads data for this layer",
    why="netc plans layers of this type, but has no reader for their data.",
    example='layer { name: "data" type: "VideoData" ... }',
    fix="Fill the layer's tops from a program, or use a data layer that netc reads; `netc explain TYPE` says what a "
    "type does.",
)
BAD_RECORD = Code(
    "DAT002",
    "a record of the data cannot be used",
    why="One record of a database, a list or a folder is damaged, missing, too large or of another shape than the "
    "batch. The message names it. Training on something else in its place would go unnoticed.",
    example='data_param { source: "train_lmdb" batch_size: 64 backend: LMDB }  # record 00000017 is cut',
    fix="Repair or remove the record (`netc data check` finds all bad ones), or leave bad records out with "
    "`--on-bad-record skip`.",
)
BROKEN = Code(
    "DAT003",
    "a data file is damaged",
    why="The file as a whole cannot be trusted: it is shorter than it says, or its inner structure is wrong. A copy "
    "that was interrupted or a full disk are the usual causes.",
    example='data_param { source: "half_copied_lmdb" backend: LMDB }',
    fix="Copy or make the file again.",
)
NEEDS_PACKAGE = Code(
    "DAT004",
    "a package is needed to read this data",
    why="netc itself needs no packages for HDF5 or writing databases; whoever uses them installs them. Images need "
    "Pillow, which comes with netc unless somebody has taken it away.",
    example='hdf5_data_param { source: "train.txt" }  # without h5py',
    fix="pip install 'netc[data]'",
)
LEVELDB = Code(
    "DAT005",
    "the database is a LevelDB",
    why="netc reads LMDB. LevelDB was Caffe's first database; its format has no maintained reader for Python. The "
    "records (serialized `Datum`s) are the same in both, so a copy from one into the other is all it takes.",
    example='data_param { source: "train_leveldb" backend: LEVELDB }',
    fix="Convert it once, with the packages plyvel and lmdb:\n\n"
    "    import lmdb, plyvel\n"
    "    with lmdb.open('train_lmdb', map_size=1 << 40) as out, out.begin(write=True) as txn:\n"
    "        for key, value in plyvel.DB('train_leveldb'):\n"
    "            txn.put(key, value)\n\n"
    "or make it from the images again with `netc data images`.",
)
BAD_TRANSFORM = Code(
    "DAT006",
    "transform_param cannot be used with this data",
    why="The fields contradict each other, or the data: a crop larger than the images, more mean values than channels.",
    example='transform_param { mean_file: "mean.binaryproto" mean_value: 104 }',
    fix="The message says what does not fit.",
)
UNREAD_TRANSFORM = Code(
    "DAT019",
    "the source does not read a field of transform_param",
    why="Each source reads some fields of transform_param. Caffe goes on without a word where one is not read: images "
    "are then not what the file says. `force_gray` in ImageData is the usual case, which goes by its own `is_color`.",
    example='image_data_param { source: "train.txt" } transform_param { force_gray: true }',
    fix='image_data_param { source: "train.txt" is_color: false }',
)
MEAN_FILE = Code(
    "DAT007",
    "the mean file does not fit",
    why="The mean image is subtracted from every image before it is cropped, so it must be there and have the "
    "channels, height and width of the images.",
    example='transform_param { mean_file: "mean_of_28x28.binaryproto" }  # images of 32x32',
    fix="Make it from the same data: netc data mean train_lmdb mean.binaryproto",
)
BAD_HDF5 = Code(
    "DAT008",
    "an HDF5 file is refused",
    why="The dataset is missing or has the wrong shape, or it is not in the file itself: links to other files are "
    "not followed, and a dataset that declares far more than the file can hold is not read.",
    example='hdf5_data_param { source: "list.txt" batch_size: 10 }  # data.h5 links to /etc/passwd',
    fix="Write the datasets into one file, one dataset for each top, all with the same number of rows.",
)
BAD_LIST = Code(
    "DAT009",
    "a list file has a line that makes no sense",
    why="Each line of the list names a file and, for images, a label after the last space. Caffe takes a label that "
    "is no number for 0.",
    example="cat.jpg one",
    fix="cat.jpg 1",
)
WRONG_PLACE = Code(
    "DAT010",
    "the data is not what the snapshot was made with",
    why="A snapshot holds the place in the data. The source has other records now, or another number of them, so the "
    "place means nothing, and the run would not be the one that was stopped.",
    example="netc train lenet.net --snapshot lenet_iter_500.solverstate  # after records were added",
    fix="Use the data of the first run; or go on in the new data: `--data-changed restart` begins its next epoch, "
    "`--data-changed continue` stays at the same place; or start from the weights only, with `--weights`.",
)
NO_RECORDS = Code(
    "DAT011",
    "the data has no usable record",
    why="There is nothing to make a batch of: the source is empty, or all its records are bad.",
    example='image_data_param { source: "empty.txt" }',
    fix="Check the source with `netc data check`.",
)
NOT_DATA = Code(
    "DAT012",
    "the path is there, but is not the data that the layer reads",
    why="The layer's type says how its source is read, and what is at the path is something else.",
    example='data_param { source: "train.txt" backend: LMDB }',
    fix="Give the path of the right file or directory, or use the layer type that reads it: Data for LMDB, ImageData "
    "for lists of images, ImageFolder for folders, HDF5Data for lists of HDF5 files, IDXData for MNIST's files.",
)
NO_ARRAYS = Code(
    "DAT013",
    "nothing was handed to a MemoryData layer",
    why="MemoryData gives out the arrays that a program hands over, and none were.",
    example='net.forward()  # before net.set_input("data", ...)',
    fix='Hand over images and labels first: `net.set_input("data", images)`, or pycaffe\'s `set_input_arrays`.',
)
BAD_ARRAY = Code(
    "DAT014",
    "an array file cannot be used",
    why="IDX, NPZ and CSV files hold arrays with one row for each record. All arrays of a layer need the same number "
    "of rows, and numbers only.",
    example='array_data_param { source: "table.csv" batch_size: 10 label: "class" }  # no column "class"',
    fix="The message says what is missing.",
)
NOT_MADE = Code(
    "DAT015",
    "the database cannot be written",
    why="`netc data` writes a new database or goes on with one that it has begun itself from the same list; anything "
    "else at the path is left alone.",
    example="netc data images photos/ train_lmdb  # where train_lmdb holds other images",
    fix="Choose another path, or remove what is there.",
)
TOO_MANY_BOXES = Code(
    "DAT018",
    "a batch has more boxes than its top has rows",
    why="The top with the boxes of a batch has a fixed number of rows, batch_size * max_boxes (256 unless the file "
    "says otherwise), because memory is planned before anything is read. Leaving boxes out would go unnoticed.",
    example='data, label = AnnotatedData() { data_param { source: "wider_face_lmdb" batch_size: 1 backend: LMDB } }',
    fix="annotated_data_param { max_boxes: 2000 }",
)
MISSING_DATA = Code(
    "DAT016",
    "there is no data at the path",
    why="The path is tried from the current directory, from the directory of the net's file and from those above it.",
    example="netc data info trian_lmdb",
    fix="Correct the path.",
)
BAD_VOCABULARY = Code(
    "DAT021",
    "the vocabulary cannot be used",
    why="Line N of a vocabulary is token N - 1 of the net: its weights are by these numbers. A token that stands "
    "twice, or one that the data needs and that is not there, would give other words the weights.",
    example='text_param { source: "a.txt" vocabulary: "empty.vocab" steps: 32 batch_size: 16 }',
    fix="Make it from the text: `netc data vocab TEXT OUT`; each line is a token, or a token, a tab and its count.",
)
BAD_TEXT = Code(
    "DAT022",
    "a line of the text cannot be used",
    why="A line has not what the form of the text needs: two columns with a tab between them, as many tokens as fit "
    "into `steps`, as many tags as words, tokens that the vocabulary has. Cutting it would change what is learned "
    "without a word.",
    example='text_param { source: "pairs.txt" form: PAIRS steps: 4 batch_size: 2 }  # a line of ten words',
    fix="Correct the line, give the field that the message names another value, or leave such lines out with "
    "`--on-bad-record skip`.",
)
BAD_CHOICE = Code(
    "DAT030",
    "the records that a data layer chooses are not there",
    why="`first`, `count`, `classes`, `per_class` and `together` choose records of a source. There are fewer records "
    "than they ask for, none of a class, or no labels to tell classes by.",
    example='data, label = Digits() { split: "test" batch_size: 10 first: 395 count: 10 }  # of 400',
    fix="The message says what there is.",
)
