#!/bin/sh
# scripts/convert-dataset: data sets in the layouts that are downloaded, made with each format's own library, come out
# with their images, labels and splits; what pyrdiff cannot read it names, with the line to type.
. tests/cli/lib.sh
find_python numpy PIL

samples() { "$python" tests/cli/convert-samples.py "$@"; }

# The sample KIND in $tmp/KIND; skips the case when a library is missing.
sample() {
    wanted || return 0
    [ "$python" != none ] || { skip "no Python with numpy and PIL" && return 0; }
    samples make "$1" "$tmp/$1" >"$tmp/stdout" 2>"$tmp/stderr"
    case $? in
    0) ;;
    3) skip "$(cat "$tmp/stdout")" ;;
    *) bad "the sample was not made" ;;
    esac
}

convert() {
    wanted || return 0
    last_command="scripts/convert-dataset $*"
    "$python" scripts/convert-dataset "$@" >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
}

# KIND SOURCE: to $tmp/KIND.zip, which holds the sample.
converts() {
    sample "$1"
    convert "$tmp/$1/$2" "$tmp/$1.zip"
    gives 0
    holds samples same "$tmp/$1.zip" "$tmp/$1"
}

# The line that pyrdiff prints of SOURCE is that of the script, and what it makes is read.
told() {
    pyr info --data "$1"
    refuses 1 "scripts/convert-dataset $1 "
}

begin "CIFAR-10's Python version: archive, folder, one split as an NPZ"
converts cifar10 cifar-10-python.tar.gz
says "cifar10.zip: 6 train, 2 test images of 8x8x3 from CIFAR's pickles, 3 classes (air, bus, cat)"
told "$tmp/cifar10/cifar-10-python.tar.gz"
told "$tmp/cifar10/cifar-10-batches-py"
pyr info --data "$tmp/cifar10.zip"
gives 0
says "6 images to train on, 2 held out (its test set), 8x8 RGB, 8 bits, 3 classes (0-air, 1-bus, 2-cat)"
convert "$tmp/cifar10/cifar-10-batches-py" "$tmp/folder.zip"
gives 0
holds cmp "$tmp/folder.zip" "$tmp/cifar10.zip"
convert "$tmp/cifar10/cifar-10-batches-py" "$tmp/c.npz"
refuses 1 "an NPZ holds one split, here are train, test: add --split train"
convert --split train "$tmp/cifar10/cifar-10-batches-py" "$tmp/c.npz"
gives 0
holds samples same "$tmp/c.npz" "$tmp/cifar10" train
pyr info --data "$tmp/c.npz" --split all
gives 0
says "6 images to train on, 0 held out, 8x8 RGB, 8 bits, 3 classes"
convert --split test "$tmp/cifar10/cifar-10-batches-py" "$tmp/test.zip"
gives 0
holds samples same "$tmp/test.zip" "$tmp/cifar10" test
pyr info --data "$tmp/test.zip" --split all
gives 0
says "2 images to train on"

begin "CIFAR-100's fine labels"
converts cifar100 .
says "3 classes (apple, bee, cup)"

begin "mnist.pkl.gz"
converts mnist mnist.pkl.gz
says "4 train, 2 val, 3 test images of 4x4x1"
told "$tmp/mnist/mnist.pkl.gz"

begin "a pickle that would run something is not run"
sample evil
convert "$tmp/evil/evil.pkl" "$tmp/evil.zip"
refuses 1 "evil.pkl: the pickle wants posix.system: more than arrays and lists, and that is not run here"
holds test ! -e "$tmp/evil/it-ran"
holds test ! -e "$tmp/evil.zip"

begin "SVHN, where 10 is the digit 0"
converts svhn .
says "11 train, 10 test images of 4x4x3 from MATLAB, 10 classes"
told "$tmp/svhn/train_32x32.mat"
told "$tmp/svhn"

begin "MATLAB 7.3"
converts mat73 train.mat
told "$tmp/mat73/train.mat"

begin "Flowers-102: its JPEGs byte for byte, its three splits"
converts flowers .
says "2 train, 1 val, 5 test images as they are stored"
if wanted; then
    holds "$python" -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z: assert z.read("train/class-00002/img00000000.jpg") == open(sys.argv[2], "rb").read()' \
        "$tmp/flowers.zip" "$tmp/flowers/jpg/image_00003.jpg"
fi

begin "LSUN: a class for each base"
converts lsun .
says "2 classes (bedroom, bridge)"
told "$tmp/lsun/bedroom_train_lmdb"

begin "StyleGAN's TFRecords: the largest of the resolutions, labels beside"
converts stylegan .
says "5 train images of 8x8x3 from TFRecords, 3 classes"
told "$tmp/stylegan/toy-r03.tfrecords"
if wanted; then
    cut_short "$tmp/stylegan/toy-r03.tfrecords" "$tmp/cut.tfrecords" -9
    convert "$tmp/cut.tfrecords" "$tmp/cut.zip"
    refuses 1 "cut.tfrecords: cut short: the record at byte"
    holds test ! -e "$tmp/cut.zip"
    patch_bytes "$tmp/stylegan/toy-r03.tfrecords" 0 '\001'
    convert "$tmp/stylegan/toy-r03.tfrecords" "$tmp/cut.zip"
    refuses 1 "damaged at byte 0: the checksum of a record's length does not fit"
fi

begin "TFRecords of encoded images"
converts tfrecord .
says "3 train, 1 val images"

begin "HDF5: groups are splits"
converts hdf5 all.h5
told "$tmp/hdf5/all.h5"
if wanted; then
    tar -cf "$tmp/hdf5.tar" -C "$tmp" hdf5/all.h5
    told "$tmp/hdf5.tar"
    convert "$tmp/hdf5.tar" "$tmp/of-tar.zip"
    gives 0
    holds cmp "$tmp/of-tar.zip" "$tmp/hdf5.zip"
    holds test -z "$(find "$tmp" -maxdepth 1 -name 'convert-dataset-*')"
fi

begin "tables of text"
if wanted && [ "$python" != none ]; then
    "$python" -c 'print("a,b,c,label\n1,2,3,0")' >"$tmp/short.csv"
    convert "$tmp/short.csv" "$tmp/x.zip"
    refuses 1 "short.csv: a table of 4 columns, should be a label and the pixels of a grey square picture"
    "$python" -c 'print("label," + ",".join("p%d" % i for i in range(2352)) + "\n" + "0" + ",1" * 2352)' >"$tmp/rgb.csv"
    convert "$tmp/rgb.csv" "$tmp/x.zip"
    refuses 1 "of colours nothing says the order"
    "$python" -c 'print("label," + ",".join("p%d" % i for i in range(16)) + "\n" + "0" + ",300" * 16)' >"$tmp/wide.csv"
    convert "$tmp/wide.csv" "$tmp/x.zip"
    refuses 1 "wide.csv: rows 0 to 0: numbers 300..300, should be whole, 0..255"
    holds test ! -e "$tmp/x.zip"
fi

begin "PCam: labels in a file beside"
converts pcam .
says "2 train, 2 val, 1 test images"

begin "16 bits stay 16 bits"
converts deep deep.h5
pyr info --data "$tmp/deep.zip"
gives 0
says "6x5 grey, 16 bits"

begin "Parquet of Hugging Face's datasets"
converts parquet .
says "4 train, 2 test images as they are stored from Parquet, 2 classes (cat, dog)"
told "$tmp/parquet/data"

begin "what save_to_disk wrote"
converts saved saved
told "$tmp/saved/saved"

begin "sentences"
[ "$python" != none ] || skip "no Python with numpy and PIL"
convert --help
gives 0
says "scripts/convert-dataset cifar-10-python.tar.gz cifar10.zip"
convert "$tmp/none" "$tmp/x.zip"
refuses 1 "$tmp/none: no such file or folder"
convert tests/golden/archives/edm.zip "$tmp/x.zip"
refuses 1 "edm.zip: pyrdiff reads this as it is: pyrdiff info --data"
convert README.md "$tmp/x.zip"
refuses 1 "README.md: of no kind that is known here; --help lists them"
convert README.md "$tmp/x.tar"
refuses 1 "x.tar: should end in .zip or .npz"
if wanted; then
    touch "$tmp/there.zip"
    convert README.md "$tmp/there.zip"
    refuses 1 "there.zip is there already: give another name, or --overwrite"
    printf 'PAR1xxxx' >"$tmp/x.parquet"
    "$python" -S -E scripts/convert-dataset "$tmp/x.parquet" "$tmp/x.zip" >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    refuses 1 "this format needs the Python package pyarrow: "
    complains "-m pip install pyarrow"
fi

finish
