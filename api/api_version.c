/* api_version.c - which library this is, and the last failure. */
#include "include/pyrdiff.h"

#include "base/status.h"
#include "base/version.h"

_Static_assert((int)PYRDIFF_E_NOMEM == (int)PYR_E_NOMEM && (int)PYRDIFF_E_ARG == (int)PYR_E_ARG &&
                   (int)PYRDIFF_E_SHAPE == (int)PYR_E_SHAPE && (int)PYRDIFF_E_IO == (int)PYR_E_IO &&
                   (int)PYRDIFF_E_FORMAT == (int)PYR_E_FORMAT && (int)PYRDIFF_E_CONFIG == (int)PYR_E_CONFIG &&
                   (int)PYRDIFF_E_UNSUPPORTED == (int)PYR_E_UNSUPPORTED &&
                   (int)PYRDIFF_E_DEVICE == (int)PYR_E_DEVICE &&
                   (int)PYRDIFF_E_NUMERIC == (int)PYR_E_NUMERIC && (int)PYRDIFF_E_BUSY == (int)PYR_E_BUSY &&
                   (int)PYRDIFF_E_STOPPED == (int)PYR_E_STOPPED,
               "the codes are those of base/status.h");

int pyrdiff_version(void)
{
    return PYRDIFF_VERSION_NUMBER;
}

const char *pyrdiff_build(void)
{
    return pyr_build();
}

const char *pyrdiff_error(void)
{
    return pyr_error();
}
