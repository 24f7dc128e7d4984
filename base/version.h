/* version.h - which program this is. */
#ifndef PYR_BASE_VERSION_H
#define PYR_BASE_VERSION_H

/* "0.1.0". */
const char *pyr_version(void);
/* "November 30, 2026": of that version, for manual pages. */
const char *pyr_version_date(void);
/* What `git describe --always --dirty` said of the sources when they were built; "unknown" without git. */
const char *pyr_version_sources(void);
/* "gcc 12.2.0". */
const char *pyr_compiler(void);
/* All of that in a line. */
const char *pyr_build(void);

#endif
