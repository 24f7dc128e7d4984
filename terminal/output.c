/* output.c - printing to standard output and standard error. */
#include "terminal/output.h"

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/shown.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int first_error; /* errno of the first write to standard output that failed; 0: none */

static void note_error(bool good)
{
    if (!good && !first_error)
        first_error = errno ? errno : EIO;
}

static void put_stdout(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    note_error(fwrite(bytes, 1, n, stdout) == n);
}

void pyr_print(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    pyr_shown_format(put_stdout, NULL, fmt, args);
    va_end(args);
}

void pyr_print_lines(const char *text)
{
    pyr_shown_lines(put_stdout, NULL, text);
}

pyr_status pyr_print_text(pyr_text *text, const char *what)
{
    bool failed = text->failed;

    if (text->at && !failed)
        pyr_print_lines(text->at);
    pyr_text_free(text);
    return failed ? pyr_fail(PYR_E_NOMEM, "out of memory for %s", what) : PYR_OK;
}

/* Standard error has no buffer of its own: pieces are put together here, so that the lines of several
 * processes do not mix. */
typedef struct message {
    char at[4096];
    size_t n;
} message;

static void send_message(message *m)
{
    fwrite(m->at, 1, m->n, stderr);
    m->n = 0;
}

static void put_stderr(void *ctx, const char *bytes, size_t n)
{
    message *m = ctx;

    while (n > 0) {
        size_t room = sizeof m->at - m->n, part = n < room ? n : room;

        memcpy(m->at + m->n, bytes, part);
        m->n += part;
        bytes += part;
        n -= part;
        if (m->n == sizeof m->at)
            send_message(m);
    }
}

void pyr_vtell(const char *fmt, va_list args)
{
    message m = {.n = 0};

    pyr_shown_format(put_stderr, &m, fmt, args);
    send_message(&m);
}

void pyr_tell(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    pyr_vtell(fmt, args);
    va_end(args);
}

void pyr_tell_lines(const char *text)
{
    message m = {.n = 0};

    pyr_shown_lines(put_stderr, &m, text);
    send_message(&m);
}

pyr_status pyr_output_possible(const char *path)
{
    struct stat info;
    char *place = NULL, *folder = NULL;
    bool into;
    pyr_status status;

    if (!*path)
        return PYR_OK;
    PYR_TRY_OUT(pyr_atomic_place(&place, &into, path));
    PYR_TRY_OUT(pyr_folder_of(&folder, place));
    if (into && stat(place, &info) == 0 && S_ISDIR(info.st_mode))
        status = pyr_fail(PYR_E_IO, "%s cannot be written: %s", path, strerror(EISDIR));
    else if (!into && access(folder, W_OK | X_OK) != 0)
        status = pyr_fail(PYR_E_IO, "%s cannot be written: folder %s: %s", path, folder, strerror(errno));
out:
    pyr_free(folder);
    pyr_free(place);
    return status;
}

pyr_status pyr_output_finish(void)
{
    errno = 0;
    note_error(fflush(stdout) == 0 && !ferror(stdout));
    errno = 0;
    note_error(fclose(stdout) == 0); /* some file systems report errors only then */
    if (first_error)
        return pyr_fail(PYR_E_IO, "standard output cannot be written: %s", strerror(first_error));
    return PYR_OK;
}
