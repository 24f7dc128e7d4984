/* version.c - which program this is. */
#include "base/version.h"

/* The Makefile says what git says. */
#ifndef PYR_SOURCES
#define PYR_SOURCES "unknown"
#endif

const char *pyr_version(void)
{
    return "0.1.0";
}

const char *pyr_version_date(void)
{
    return "November 30, 2026";
}

const char *pyr_version_sources(void)
{
    return PYR_SOURCES;
}

const char *pyr_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
