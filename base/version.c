/* version.c - which program this is. */
#include "base/version.h"

#include "include/pyrdiff.h"

/* The Makefile says what git says. */
#ifndef PYR_SOURCES
#define PYR_SOURCES "unknown"
#endif

const char *pyr_version(void)
{
    return PYRDIFF_VERSION;
}

const char *pyr_version_date(void)
{
    return "November 30, 2026";
}

const char *pyr_version_sources(void)
{
    return PYR_SOURCES;
}

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *pyr_compiler(void)
{
    return COMPILER;
}

const char *pyr_build(void)
{
    return PYRDIFF_VERSION " (sources " PYR_SOURCES "), " COMPILER;
}
