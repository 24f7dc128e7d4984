/* unet_fields.h - the rows of pyr_unet_config's members (unet_config.c), for reading and writing them. */
#ifndef PYR_NETWORK_UNET_FIELDS_H
#define PYR_NETWORK_UNET_FIELDS_H

#include "settings/json_fields.h"

/* Kinds beyond those of json_fields.h. */
enum {
    FIELD_CHANNELS = PYR_FIELD_OTHER, /* list of int */
    FIELD_BLOCKS,                     /* list of words */
    FIELD_CLASS,                      /* class_embed_type */
    FIELD_MID,                        /* mid_block_type */
    FIELD_SIZE                        /* sample_size */
};

enum { PYR_UNET_FIELDS = 31 };
extern const pyr_field pyr_unet_fields[PYR_UNET_FIELDS];

#endif
