#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE = 4096 };
static _Thread_local char sentence[SENTENCE];

/* Names come from files: no control characters of theirs reach a terminal. New lines are ours. */
static void tame(char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7f)
            *text = '?';
}

pyr_status pyr_fail(pyr_status code, const char *fmt, ...)
{
    char text[SENTENCE]; /* the arguments may point into `sentence` */
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tame(text);
    memcpy(sentence, text, sizeof text);
    return code;
}

pyr_status pyr_fail_prefix(pyr_status code, const char *fmt, ...)
{
    char prefix[SENTENCE / 2];
    va_list args;

    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    return pyr_fail(code, "%s: %s", prefix, sentence);
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
