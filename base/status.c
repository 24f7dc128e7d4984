/* status.c - the thread's sentence of what failed. */
#include "base/status.h"

#include "base/shown.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE = 4096 };
static _Thread_local char sentence[SENTENCE];

pyr_status pyr_fail(pyr_status code, const char *fmt, ...)
{
    char text[SENTENCE]; /* the arguments may point into `sentence` */
    va_list args;

    va_start(args, fmt);
    pyr_shown_buffer(text, sizeof text, fmt, args);
    va_end(args);
    memcpy(sentence, text, sizeof text);
    return code;
}

pyr_status pyr_fail_prefix(pyr_status code, const char *fmt, ...)
{
    char prefix[SENTENCE / 2];
    va_list args;

    va_start(args, fmt);
    pyr_shown_buffer(prefix, sizeof prefix, fmt, args);
    va_end(args);
    return pyr_fail(code, "%s: %s", prefix, sentence);
}

pyr_status pyr_fail_lines(pyr_status code, const char *text)
{
    pyr_shown_buffer_lines(sentence, sizeof sentence, text);
    return code;
}

const char *pyr_error(void)
{
    return sentence;
}

void pyr_error_set(const char *text)
{
    if (text != sentence)
        snprintf(sentence, sizeof sentence, "%s", text);
}
