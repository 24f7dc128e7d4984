"""Data sets in the layouts that are downloaded, of a handful of tiny images each: the same names of files and folders,
the same arrays, types and sizes beside each other. docs/data.md has a row for each, tests/cli/datasets.sh says how
each is read. What scripts/convert-dataset converts is made in tests/cli/convert-samples.py, and here where it is not.

    make-datasets.py FOLDER     FOLDER/KEY/ for each data set; prints "KEY: why" of those for which a module is missing
"""
import gzip
import io
import json
import os
import sys
import tarfile
import zipfile

import numpy as np
from PIL import Image

random = np.random.default_rng(3)
encodings = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "webp": "WEBP"}
KINDS = {}


def kind(make):
    KINDS[make.__name__.replace("_", "-")] = make
    return make


# ---- files ---------------------------------------------------------------------------------------------------------

def pixels(*shape, most=256, kind=np.uint8):
    return random.integers(0, most, shape, dtype=kind)


def encoded(array, ending, **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, encodings[ending], **options)
    return out.getvalue()


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


def pictures(folder, *names, h=8, w=8, c=3):
    """An image of noise under each of the names."""
    for name in names:
        for one in expand(name):
            put(f"{folder}/{one}", encoded(pixels(h, w, c) if c > 1 else pixels(h, w), one.rsplit(".", 1)[1].lower()))


def expand(name):
    """cat/{1..3}.png, {cat,dog}/1.png; {001..003} keeps its zeros."""
    begin, end = name.find("{"), name.find("}")
    if begin < 0:
        return [name]
    inner = name[begin + 1:end]
    if ".." in inner:
        first, last = inner.split("..")
        choices = [str(i).zfill(len(first)) for i in range(int(first), int(last) + 1)]
    else:
        choices = inner.split(",")
    return [name[:begin] + choice + rest for choice in choices for rest in expand(name[end + 1:])]


def texts(folder, *names):
    for name in names:
        put(f"{folder}/{name}", "filename,class\n")


def zipped(path, folder):
    """The folder as a zip beside."""
    with zipfile.ZipFile(path, "w") as archive:
        for at, _, files in sorted(os.walk(folder)):
            for name in sorted(files):
                archive.write(f"{at}/{name}", os.path.relpath(f"{at}/{name}", os.path.dirname(folder)))


def idx(array):
    types = {"uint8": 8, "int32": 12}
    head = bytes([0, 0, types[array.dtype.name], array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def put_idx(path, array, packed=True):
    put(path, gzip.compress(idx(array)) if packed else idx(array))


def npz(path, **arrays):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    np.savez_compressed(path, **arrays)


def npy(path, array):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    np.save(path, array)


def labels(n, classes, first=0, kind=np.uint8):
    return (np.arange(n) % classes + first).astype(kind)


# ---- packed files --------------------------------------------------------------------------------------------------

def mnist_files(folder, packed=(True,), names="{}-{}-idx{}-ubyte"):
    for part, n in (("train", 20), ("t10k", 10)):
        for gz in packed:
            put_idx(f"{folder}/{names.format(part, 'images', 3)}" + ".gz" * gz, pixels(n, 28, 28), gz)
            put_idx(f"{folder}/{names.format(part, 'labels', 1)}" + ".gz" * gz, labels(n, 10), gz)


@kind
def mnist(folder):
    mnist_files(f"{folder}/mnist")


@kind
def mnist_torchvision(folder):
    mnist_files(f"{folder}/data/MNIST/raw", (True, False))


@kind
def mnist_kaggle(folder):
    mnist_files(f"{folder}/archive", (False,), "{0}-{1}.idx{2}-ubyte")
    mnist_files(f"{folder}/archive", (False,), "{0}-{1}-idx{2}-ubyte/{0}-{1}-idx{2}-ubyte")


@kind
def emnist(folder):
    for part, classes, first in (("letters", 26, 1), ("balanced", 47, 0), ("byclass", 62, 0), ("digits", 10, 0)):
        for split, n in (("train", 2 * classes), ("test", classes)):
            name = f"{folder}/gzip/emnist-{part}-{split}"
            put_idx(f"{name}-images-idx3-ubyte.gz", pixels(n, 28, 28))
            put_idx(f"{name}-labels-idx1-ubyte.gz", labels(n, classes, first))
        texts(f"{folder}/gzip", f"emnist-{part}-readme.txt")


@kind
def qmnist(folder):
    for split, n in (("train", 20), ("test", 30)):
        extended = np.tile(labels(n, 10, kind=np.int32)[:, None], (1, 8)) + np.arange(8, dtype=np.int32)
        put_idx(f"{folder}/QMNIST/raw/qmnist-{split}-images-idx3-ubyte.gz", pixels(n, 28, 28))
        put_idx(f"{folder}/QMNIST/raw/qmnist-{split}-labels-idx2-int.gz", extended)


@kind
def kmnist(folder):
    for name, classes in (("kmnist", 10), ("k49", 49)):
        for split, n in (("train", 2 * classes), ("test", classes)):
            npz(f"{folder}/{name}/{name}-{split}-imgs.npz", arr_0=pixels(n, 28, 28))
            npz(f"{folder}/{name}/{name}-{split}-labels.npz", arr_0=labels(n, classes))
        put(f"{folder}/{name}/{name}_classmap.csv", "index,codepoint,char\n0,U+3042,あ\n")


@kind
def keras(folder):
    npz(f"{folder}/mnist.npz", x_test=pixels(10, 28, 28), x_train=pixels(20, 28, 28), y_train=labels(20, 10),
        y_test=labels(10, 10))


@kind
def medmnist(folder):
    for name, c, k in (("pathmnist", 3, 9), ("chestmnist", 1, 14)):
        arrays = {}
        for split, n in (("train", 18), ("val", 9), ("test", 9)):
            arrays[f"{split}_images"] = pixels(n, 28, 28, 3) if c == 3 else pixels(n, 28, 28)
            arrays[f"{split}_labels"] = labels(n, 9)[:, None] if c == 3 else pixels(n, k, most=2)
        npz(f"{folder}/{name}.npz", **arrays)


@kind
def imagenet32(folder):
    for name, n in [(f"train_data_batch_{i}", 10) for i in range(1, 11)] + [("val_data", 10)]:
        npz(f"{folder}/Imagenet32_npz/{name}.npz", data=pixels(n, 3072), labels=labels(n, 10, 1, np.int64),
            mean=np.full(3072, 120.0))


@kind
def adm(folder):
    npz(f"{folder}/VIRTUAL_imagenet64_labeled.npz", arr_0=pixels(12, 64, 64, 3), mu=np.zeros(2048),
        sigma=np.eye(8), mu_s=np.zeros(2023), sigma_s=np.eye(8))


@kind
def dsprites(folder):
    meta = np.array({"title": "dSprites dataset"}, dtype=object)
    classes = np.stack([np.zeros(12, np.int64), labels(12, 3, kind=np.int64)] + 4 * [np.arange(12)], 1)
    npz(f"{folder}/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", metadata=meta, imgs=pixels(12, 64, 64, most=2),
        latents_classes=classes, latents_values=classes.astype(np.float64))


@kind
def digits(folder):
    npz(f"{folder}/digits.npz", data=(x := pixels(20, 8, 8, most=17).astype(np.float64)).reshape(20, 64), images=x,
        target=labels(20, 10, kind=np.int64))


@kind
def quickdraw(folder):
    for name in ("airplane", "cat", "ice cream"):
        npy(f"{folder}/numpy_bitmap/full_numpy_bitmap_{name}.npy", pixels(6, 784))


@kind
def arrays(folder):
    npy(f"{folder}/rows/x_train.npy", pixels(20, 3072))
    npy(f"{folder}/rows/y_train.npy", labels(20, 10, kind=np.int64))
    npy(f"{folder}/rows/x_test.npy", pixels(10, 3072))
    npy(f"{folder}/rows/y_test.npy", labels(10, 10, kind=np.int64))
    npy(f"{folder}/mine/images.npy", pixels(20, 6, 5, 3))
    npy(f"{folder}/mine/labels.npy", labels(20, 4, kind=np.int64))
    npy(f"{folder}/CIFAR-10-C/fog.npy", pixels(20, 32, 32, 3))
    npy(f"{folder}/CIFAR-10-C/frost.npy", pixels(20, 32, 32, 3))
    npy(f"{folder}/CIFAR-10-C/labels.npy", labels(20, 10))
    npy(f"{folder}/cifar10.1/cifar10.1_v6_data.npy", pixels(20, 32, 32, 3))
    npy(f"{folder}/cifar10.1/cifar10.1_v6_labels.npy", labels(20, 10, kind=np.int32))
    npy(f"{folder}/svhn.npy", pixels(32, 32, 3, 20))


@kind
def stl10(folder):
    for name, n in (("train", 10), ("test", 10), ("unlabeled", 5)):
        put(f"{folder}/stl10_binary/{name}_X.bin", pixels(n, 3, 96, 96).tobytes())
        if n == 10:
            put(f"{folder}/stl10_binary/{name}_y.bin", labels(n, 10, 1).tobytes())
    put(f"{folder}/stl10_binary/class_names.txt", "airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n")
    texts(f"{folder}/stl10_binary", "fold_indices.txt")


def matrix(path, array):
    """A binary matrix of NORB: at least three sizes are stored."""
    magic = {"u1": 0x1E3D4C55, "i4": 0x1E3D4C54}[array.dtype.str[1:]]
    size = [array.ndim, *array.shape] + [1] * (3 - array.ndim)
    put(path, gzip.compress(np.array([magic, *size], "<u4").tobytes() + array.tobytes()))


@kind
def small_norb(folder):
    for name, n in (("5x46789x9x18x6x2x96x96-training", 10), ("5x01235x9x18x6x2x96x96-testing", 5)):
        path = f"{folder}/norb/smallnorb-{name}"
        matrix(f"{path}-dat.mat.gz", pixels(n, 2, 96, 96))
        matrix(f"{path}-cat.mat.gz", (np.arange(n) % 5).astype("i4"))
        matrix(f"{path}-info.mat.gz", np.zeros((n, 4), "i4"))


@kind
def cifar_binary(folder):
    ten = "airplane automobile bird cat deer dog frog horse ship truck"
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        rows = np.concatenate([labels(10, 10)[:, None], pixels(10, 3072)], 1)
        put(f"{folder}/cifar-10-batches-bin/{name}.bin", rows.tobytes())
    put(f"{folder}/cifar-10-batches-bin/batches.meta.txt", ten.replace(" ", "\n") + "\n\n")
    texts(f"{folder}/cifar-10-batches-bin", "readme.html")
    for name, n in (("train", 100), ("test", 100)):
        rows = np.concatenate([labels(n, 20)[:, None], labels(n, 100)[:, None], pixels(n, 3072)], 1)
        put(f"{folder}/cifar-100-binary/{name}.bin", rows.tobytes())
    put(f"{folder}/cifar-100-binary/fine_label_names.txt", "".join(f"name{i}\n" for i in range(100)))
    put(f"{folder}/cifar-100-binary/coarse_label_names.txt", "".join(f"group{i}\n" for i in range(20)))


# ---- folders, zips and tars of pictures ----------------------------------------------------------------------------

@kind
def ffhq(folder):
    pictures(f"{folder}/thumbnails128x128", "00000/{00000..00003}.png", "01000/{01000..01003}.png",
             "69000/{69000..69001}.png")
    texts(f"{folder}/thumbnails128x128", "LICENSE.txt")


@kind
def edm(folder):
    names = expand("00000/img{00000000..00000003}.png") + expand("00001/img{00001000..00001003}.png")
    for archive, table in (("cifar10-32x32.zip", [[n, i % 3] for i, n in enumerate(names)]), ("ffhq-64x64.zip", None)):
        os.makedirs(folder, exist_ok=True)
        with zipfile.ZipFile(f"{folder}/{archive}", "w", zipfile.ZIP_STORED) as z:
            for name in names:
                z.writestr(name, encoded(pixels(8, 8, 3), "png"))
            z.writestr("dataset.json", json.dumps({"labels": table}))


@kind
def celeba(folder):
    pictures(f"{folder}/celeba/img_align_celeba", "{000001..000010}.jpg", h=16, w=12)
    zipped(f"{folder}/img_align_celeba.zip", f"{folder}/celeba/img_align_celeba")
    texts(f"{folder}/celeba", "list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt")
    pictures(f"{folder}/archive/img_align_celeba/img_align_celeba", "{000001..000010}.jpg", h=16, w=12)
    texts(f"{folder}/archive", "list_attr_celeba.csv", "list_eval_partition.csv")


@kind
def celeba_mask_hq(folder):
    hq = f"{folder}/CelebAMask-HQ"
    pictures(hq, "CelebA-HQ-img/{0..3}.jpg")
    pictures(hq, "CelebAMask-HQ-mask-anno/0/{00000..00003}_{skin,hair}.png", c=1)
    texts(hq, "CelebAMask-HQ-attribute-anno.txt", "CelebA-HQ-to-CelebA-mapping.txt", "README.txt")


@kind
def afhq(folder):
    pictures(f"{folder}/afhq", "train/{cat,dog,wild}/flickr_{000002..000004}.jpg",
             "val/{cat,dog,wild}/flickr_000008.jpg")


@kind
def imagenet(folder):
    root = f"{folder}/ILSVRC2012"
    pictures(root, "train/{n01440764,n01443537}/n0_{10026..10029}.JPEG", "val/ILSVRC2012_val_{00000001..00000004}.JPEG")
    kaggle = f"{folder}/imagenet-object-localization-challenge"
    pictures(kaggle, "ILSVRC/Data/CLS-LOC/train/{n01440764,n01443537}/n0_{10026..10029}.JPEG",
             "ILSVRC/Data/CLS-LOC/{val/ILSVRC2012_val,test/ILSVRC2012_test}_{00000001..00000004}.JPEG")
    texts(kaggle, "ILSVRC/ImageSets/CLS-LOC/train_cls.txt", "LOC_train_solution.csv", "LOC_sample_submission.csv",
          "LOC_synset_mapping.txt", "ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml")
    lines = ["ImageId,PredictionString"]
    for i in (4, 2, 1, 3):
        lines.append(f"ILSVRC2012_val_{i:08d},{('n01440764', 'n01443537')[i % 2]} 111 108 356 275 ")
    put(f"{kaggle}/LOC_val_solution.csv", "\n".join(lines) + "\n")


@kind
def imagenette(folder):
    root = f"{folder}/imagenette2-160"
    pictures(root, "train/{n01440764,n02102040}/n_{1..4}.JPEG", "val/{n01440764,n02102040}/n_{5..6}.JPEG")
    texts(root, "noisy_imagenette.csv")


@kind
def tiny_imagenet(folder):
    root = f"{folder}/tiny-imagenet-200"
    for name in ("n01443537", "n01629819"):
        pictures(root, f"train/{name}/images/{name}_" + "{0..3}.JPEG")
        texts(root, f"train/{name}/{name}_boxes.txt")
    pictures(root, "val/images/val_{0..3}.JPEG", "test/images/test_{0..3}.JPEG")
    put(f"{root}/val/val_annotations.txt",
        "".join(f"val_{i}.JPEG\t{('n01629819', 'n01443537')[i % 2]}\t0\t32\t44\t62\n" for i in range(4)))
    texts(root, "wnids.txt", "words.txt")
    zipped(f"{folder}/tiny-imagenet-200.zip", root)


@kind
def places(folder):
    pictures(f"{folder}/data_256", "{a/airfield,a/alley,b/barn,b/bow_window/indoor}/{00000001..00000002}.jpg")
    pictures(f"{folder}/places365_standard", "train/{airfield,alley}/{00000001..00000004}.jpg",
             "val/{airfield,alley}/Places365_val_{00000001..00000002}.jpg")
    texts(f"{folder}/places365_standard", "train.txt", "val.txt")


@kind
def lsun_kaggle(folder):
    for first in "09af":
        for second in "3c":
            pictures(f"{folder}/archive", f"data0/lsun/bedroom/{first}/{second}/7/{first}{second}7" +
                     "{0a,1f}e33c2a1b.jpg")


@kind
def brain(folder):
    for name, short in (("glioma", "gl"), ("meningioma", "me"), ("notumor", "no"), ("pituitary", "pi")):
        pictures(f"{folder}/archive", f"Training/{name}/Tr-{short}_" + "{0010..0013}.jpg",
                 f"Testing/{name}/Te-{short}_" + "{0010..0011}.jpg", c=1)


@kind
def intel(folder):
    pictures(f"{folder}/archive", "seg_train/seg_train/{buildings,forest,sea}/{0..3}.jpg",
             "seg_test/seg_test/{buildings,forest,sea}/{20057..20058}.jpg", "seg_pred/seg_pred/{5..9}.jpg")


@kind
def food(folder):
    pictures(f"{folder}/food-101", "images/{apple_pie,baby_back_ribs,baklava}/{1005649..1005652}.jpg")
    texts(f"{folder}/food-101", "meta/train.txt", "meta/test.txt", "meta/classes.txt", "meta/labels.txt",
          "meta/train.json", "README.txt", "license_agreement.txt")


@kind
def caltech(folder):
    pictures(f"{folder}/101_ObjectCategories", "{BACKGROUND_Google,Faces,accordion}/image_{0001..0004}.jpg")
    pictures(f"{folder}/256_ObjectCategories", "{001.ak47,002.american-flag,257.clutter}/001_{0001..0004}.jpg")
    root = f"{folder}/CUB_200_2011"
    pictures(root, "images/{001.Black_footed_Albatross,002.Laysan_Albatross}/Albatross_{0001..0004}.jpg")
    texts(root, "images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt", "bounding_boxes.txt",
          "parts/parts.txt", "attributes/class_attribute_labels_continuous.txt")


@kind
def eurosat(folder):
    pictures(f"{folder}/2750", "{AnnualCrop,Forest,SeaLake}/Crop_{1..4}.jpg")
    zipped(f"{folder}/EuroSAT.zip", f"{folder}/2750")
    pictures(f"{folder}/UCMerced_LandUse", "Images/{agricultural,airplane,beach}/a{00..03}.tif")
    texts(f"{folder}/UCMerced_LandUse", "readme.txt")
    pictures(f"{folder}/NWPU-RESISC45", "{airplane,airport}/airplane_{001..004}.jpg")


@kind
def xray(folder):
    root = f"{folder}/archive/chest_xray"
    for top in ("", "chest_xray/"):
        pictures(root, top + "train/{NORMAL/IM,PNEUMONIA/person1_bacteria}-{0115..0118}.jpeg",
                 top + "test/{NORMAL/IM,PNEUMONIA/person1_virus}-{0001..0002}.jpeg",
                 top + "val/{NORMAL/NORMAL2-IM,PNEUMONIA/person1946_bacteria}-1427.jpeg", c=1)
        put(f"{root}/{top}.DS_Store", "x")
    put(f"{root}/__MACOSX/chest_xray/train/NORMAL/._IM-0115.jpeg", "x")
    pictures(f"{folder}/NIH", "images_{001..003}/images/00000001_{000..003}.png", c=1)
    texts(f"{folder}/NIH", "Data_Entry_2017.csv", "train_val_list.txt", "test_list.txt", "BBox_List_2017.csv",
          "README_CHESTXRAY.pdf")
    pictures(f"{folder}/HAM10000", "HAM10000_images_part_1/ISIC_{0024306..0024309}.jpg",
             "HAM10000_images_part_2/ISIC_{0029306..0029309}.jpg")
    texts(f"{folder}/HAM10000", "HAM10000_metadata.csv", "hmnist_28_28_L.csv", "hmnist_28_28_RGB.csv")


@kind
def pets(folder):
    root = f"{folder}/oxford-iiit-pet"
    for i, (name, h, w) in enumerate((("Abyssinian_1", 12, 16), ("Abyssinian_2", 16, 12), ("yorkshire_terrier_1", 9, 9),
                                      ("yorkshire_terrier_2", 9, 16))):
        pictures(root, f"images/{name}.jpg", h=h, w=w)
        pictures(root, f"annotations/trimaps/{name}.png", h=h, w=w, c=1)
        put(f"{root}/annotations/trimaps/._{name}.png", "x")
        texts(root, f"annotations/xmls/{name}.xml")
    texts(root, "annotations/list.txt", "annotations/trainval.txt", "annotations/test.txt", "images/Abyssinian_100.mat")


@kind
def masks(folder):
    pictures(f"{folder}/Kvasir-SEG", "images/cju0{100..103}.jpg")
    pictures(f"{folder}/Kvasir-SEG", "masks/cju0{100..103}.jpg")
    texts(f"{folder}/Kvasir-SEG", "kavsir_bboxes.json")
    root = f"{folder}/VOCdevkit/VOC2012"
    pictures(root, "JPEGImages/2007_{000027..000032}.jpg")
    pictures(root, "Segmentation{Class,Object}/2007_{000027..000029}.png", c=1)
    texts(root, "Annotations/2007_000027.xml", "ImageSets/Segmentation/train.txt")
    root = f"{folder}/coco"
    pictures(root, "{train,val,test}2017/{000000000009..000000000012}.jpg")
    texts(root, "annotations/instances_train2017.json")
    root = f"{folder}/cityscapes"
    for part, city in (("train", "aachen"), ("train", "ulm"), ("val", "frankfurt"), ("test", "berlin")):
        name = f"{part}/{city}/{city}_000000_" + "{000019..000022}_"
        pictures(root, f"leftImg8bit/{name}leftImg8bit.png")
        pictures(root, f"gtFine/{name}gtFine_" + "{color,instanceIds,labelIds}.png", c=1)


@kind
def cifar_kaggle(folder):
    pictures(f"{folder}/cifar-10", "train/{1..10}.png", "test/{1..10}.png")
    texts(f"{folder}/cifar-10", "trainLabels.csv", "sampleSubmission.csv")


@kind
def cinic(folder):
    pictures(f"{folder}/CINIC-10", "{train,valid,test}/{airplane,automobile}/cifar10-train-{29..32}.png")
    texts(f"{folder}/CINIC-10", "imagenet-contributors.csv", "synsets-to-cifar-10-classes.txt", "README.md")


@kind
def mnist_png(folder):
    pictures(f"{folder}/mnist_png", "training/{0..9}/{1..3}.png", "testing/{0..9}/{10..11}.png", h=28, w=28, c=1)
    with tarfile.open(f"{folder}/mnist_png.tar.gz", "w:gz") as tar:
        tar.add(f"{folder}/mnist_png", "mnist_png")
    pictures(f"{folder}/notMNIST_small", "{A,B,C}/{QWxiZXJ0,QmVydA}==.png", h=28, w=28, c=1)
    put(f"{folder}/notMNIST_small/A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png", "")


@kind
def gtsrb(folder):
    for i in range(3):
        pictures(f"{folder}/archive", f"Train/{i}/0000{i}_00000_" + "{00000..00003}.png", h=12 + i, w=10)
    pictures(f"{folder}/archive", "Test/{00000..00003}.png", "Meta/{0..2}.png", h=12, w=10)
    texts(f"{folder}/archive", "Train.csv", "Test.csv", "Meta.csv")
    for i in range(2):
        put(f"{folder}/GTSRB/Final_Training/Images/{i:05d}/00000_00000.ppm", b"P6\n2 2\n255\n" + pixels(12).tobytes())
        texts(f"{folder}/GTSRB/Final_Training/Images", f"{i:05d}/GT-{i:05d}.csv")


@kind
def dogs(folder):
    root = f"{folder}/dogs-vs-cats"
    pictures(root, "train/{cat,dog}.{0..3}.jpg", "test1/{1..4}.jpg")
    texts(root, "sampleSubmission.csv")
    root = f"{folder}/PetImages"
    pictures(root, "{Cat,Dog}/{0..5}.jpg", h=12)
    pictures(root, "{Cat,Dog}/7.jpg", w=12)
    put(f"{root}/Cat/666.jpg", "")
    put(f"{root}/Cat/Thumbs.db", "x")
    pictures(f"{folder}/cats_and_dogs_filtered", "train/{cats/cat,dogs/dog}.{0..3}.jpg",
             "validation/{cats/cat,dogs/dog}.{2000..2001}.jpg")
    texts(f"{folder}/cats_and_dogs_filtered", "vectorize.py")


@kind
def fruits(folder):
    root = f"{folder}/archive/fruits-360_dataset/fruits-360"
    pictures(root, "{Training,Test}/{Apple Braeburn,Banana 1,Banana 3}/{0..3}_100.jpg",
             "test-multiple_fruits/fig{1..2}.jpg", "papers/x_{1..2}.jpg")
    texts(root, "readme.md", "LICENSE")


@kind
def copies(folder):
    for top in ("", "cell_images/"):
        pictures(f"{folder}/cell_images", top + "{Parasitized,Uninfected}/C100P61ThinF_{1..4}.png")
        put(f"{folder}/cell_images/{top}Uninfected/Thumbs.db", "x")
    for top in ("", "rps-cv-images/"):
        pictures(f"{folder}/rockpaperscissors", top + "{paper,rock,scissors}/{04l5I8TqdzF9WDMJ,2}.png")
    texts(f"{folder}/rockpaperscissors", "README_rpc-cv-images.txt")


@kind
def pairs(folder):
    pictures(f"{folder}/horse2zebra", "train{A,B}/n02381460_{2..5}.jpg", "test{A,B}/n02381460_{120..121}.jpg")
    pictures(f"{folder}/DIV2K", "DIV2K_train_HR/{0001..0004}.png", "DIV2K_valid_HR/{0801..0802}.png", h=16, w=12)


def shard(path, entries):
    """A tar of {name: bytes}."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@kind
def webdataset(folder):
    for k in range(3):
        labelled, described = {}, {}
        for i in range(4):
            key, image = f"{k:05d}{i:04d}", encoded(pixels(8, 8, 3), "jpg")
            labelled |= {f"{key}.jpg": image, f"{key}.cls": str((k + i) % 3).encode()}
            described |= {f"{key}.jpg": image, f"{key}.txt": b"a photo", f"{key}.json": b'{"status": "success"}'}
        shard(f"{folder}/shards/imagenet-train-{k:06d}.tar", labelled)
        shard(f"{folder}/cc3m/{k:05d}.tar", described)


@kind
def photographs(folder):
    for i in range(10):
        exif = Image.Exif()
        exif[274] = 6 if i < 4 else 1
        put(f"{folder}/DCIM/100APPLE/IMG_{i:04d}.JPG",
            encoded(pixels(16, 12, 3) if i >= 4 else pixels(12, 16, 3), "jpg", exif=exif))


@kind
def tomographs(folder):
    for ending in ("png", "tif"):
        for i in range(10):
            put(f"{folder}/ct-{ending}/{i:04d}.{ending}", encoded(pixels(8, 8, most=4096, kind=np.uint16), ending))


@kind
def characters(folder):
    pictures(f"{folder}/English", "Fnt/Sample{001..003}/img001-{00001..00003}.png", c=1)
    pictures(f"{folder}/att_faces", "s{1..3}/{1..4}.png", c=1)
    pictures(f"{folder}/lfw", "{Aaron_Eckhart/Aaron_Eckhart,Zico/Zico}_{0001..0003}.jpg")


@kind
def textures(folder):
    pictures(f"{folder}/dtd", "images/{banded,blotchy}/banded_{0002..0005}.jpg")
    texts(f"{folder}/dtd", "labels/train1.txt", "labels/labels_joint_anno.txt", "imdb/imdb.mat")
    pictures(f"{folder}/flower_photos", "{daisy,roses,tulips}/{101..104}_n.jpg")
    texts(f"{folder}/flower_photos", "LICENSE.txt")


@kind
def hdf5(folder):
    import h5py
    for name, images, where, values in (("3dshapes", pixels(6, 64, 64, 3), "images", ("labels", np.full((6, 6), .5))),
                                        ("Galaxy10_DECals", pixels(6, 16, 16, 3), "images", ("ans", labels(6, 3)))):
        os.makedirs(folder, exist_ok=True)
        with h5py.File(f"{folder}/{name}.h5", "w") as f:
            f[where], f[values[0]] = images, values[1]


@kind
def tables(folder):
    def table(path, n, *before, head=True):
        lines = [",".join([*before, *(f"pixel{i}" for i in range(1, 785))])] if head else []
        for label, image in zip(labels(n, 5), pixels(n, 784)):
            lines.append(",".join(str(v) for v in ([label] if before or not head else []) + image.tolist()))
        put(path, "\n".join(lines) + "\n")

    table(f"{folder}/fashionmnist/fashion-mnist_train.csv", 10, "label")
    table(f"{folder}/fashionmnist/fashion-mnist_test.csv", 5, "label")
    zipped(f"{folder}/archive.zip", f"{folder}/fashionmnist")
    table(f"{folder}/mnist_csv/mnist_train.csv", 10, head=False)
    table(f"{folder}/mnist_csv/mnist_test.csv", 5, head=False)
    usage = ["Training"] * 14 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    put(f"{folder}/fer2013.csv", "emotion,pixels,Usage\n" + "".join(
        f"{i % 7},{' '.join(map(str, pixels(48 * 48)))},{usage[i]}\n" for i in range(28)))


def main():
    for name, make in KINDS.items():
        try:
            make(f"{sys.argv[1]}/{name}")
        except ImportError as error:
            print(f"{name}: {error}")


main()
