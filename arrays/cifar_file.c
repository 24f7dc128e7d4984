/* cifar_file.c - how many records a CIFAR file has, of which kind they are, and their labels. */
#include "arrays/cifar_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int pyr_cifar_label_bytes(int classes)
{
    return classes == 100 ? 2 : 1;
}

pyr_status pyr_cifar_count(int64_t *records, int *classes, const char *path)
{
    struct stat info;
    int64_t size;

    *records = 0;
    if (stat(path, &info) != 0)
        return pyr_fail(PYR_E_IO, "%s: cannot be opened as a file: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return pyr_fail(PYR_E_IO, "%s: cannot be opened as a file", path);
    size = info.st_size;
    if (size == 0)
        return pyr_fail(PYR_E_FORMAT, "%s: the file is empty (zero bytes)", path);
    if (*classes == 0)
        *classes = size % (PYR_CIFAR_PIXELS + 1) != 0 && size % (PYR_CIFAR_PIXELS + 2) == 0 ? 100 : 10;
    int record = PYR_CIFAR_PIXELS + pyr_cifar_label_bytes(*classes);
    if (size % record != 0)
        return pyr_fail(PYR_E_FORMAT,
                        "%s: %lld bytes are not whole CIFAR-%d records of %d bytes; the file is cut short "
                        "or something else: copy or download it again",
                        path, (long long)size, *classes, record);
    *records = size / record;
    return PYR_OK;
}

pyr_status pyr_cifar_labels(int32_t *labels, const char *path, int64_t records, int classes)
{
    pyr_status status = PYR_OK;
    uint8_t label[2];
    const int bytes = pyr_cifar_label_bytes(classes);
    FILE *f = fopen(path, "rb");

    if (!f)
        return pyr_fail(PYR_E_IO, "%s: %s", path, strerror(errno));
    for (int64_t i = 0; i < records; i++) {
        if (fseeko(f, i * (PYR_CIFAR_PIXELS + bytes), SEEK_SET) != 0 ||
            fread(label, 1, (size_t)bytes, f) != (size_t)bytes) {
            status = pyr_fail(PYR_E_IO, "%s: cannot be read beyond record %lld: %s", path, (long long)i,
                              ferror(f) ? strerror(errno) : "it became shorter");
            break;
        }
        labels[i] = label[bytes - 1];
        if (labels[i] >= classes) {
            status =
                pyr_fail(PYR_E_FORMAT, "%s: record %lld has label %d, CIFAR-%d has 0..%d; not a CIFAR file?",
                         path, (long long)i, labels[i], classes, classes - 1);
            break;
        }
    }
    fclose(f);
    return status;
}
