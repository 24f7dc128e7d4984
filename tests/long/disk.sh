#!/bin/sh
# disk: a training on a simulated disk goes on from whatever a power cut leaves, wherever it comes, in the going on, too
# (about 20 minutes on 2 cores): tests/disk/quick.sh with all trees.
TREES=${TREES:---twice 5} exec sh tests/disk/quick.sh "$@"
