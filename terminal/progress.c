/* progress.c - a progress bar, or lines where there is no terminal. */
#include "terminal/progress.h"

#include "terminal/output.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

pyr_bar pyr_bar_new(void)
{
    return (pyr_bar){.terminal = isatty(STDERR_FILENO)};
}

static int width(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

void pyr_bar_draw(pyr_bar *bar, const char *label, int64_t done, int64_t total, const char *text)
{
    enum { FEWEST = 4, MOST = 20, AROUND = 9 /* " [", "] 100% " */ };
    char line[512], cells[MOST + 1];
    double part = total > 0 ? (double)done / (double)total : 0;
    int columns = width() - 1, n = columns - AROUND - (int)(strlen(label) + strlen(text));

    if (!bar->terminal)
        return;
    n = n < FEWEST ? FEWEST : n > MOST ? MOST : n; /* the text is whole where there is room for it */
    for (int i = 0; i < n; i++)
        cells[i] = i < (int)(part * n) ? '#' : '.';
    cells[n] = 0;
    snprintf(line, sizeof line, "%s [%s] %3.0f%% %s", label, cells, 100 * part, text);
    pyr_tell("\r%-*.*s", columns, columns, line);
    fflush(stderr);
    bar->open = true;
}

void pyr_bar_end(pyr_bar *bar)
{
    if (bar->open)
        pyr_tell("\r%*s\r", width() - 1, "");
    bar->open = false;
}

void pyr_bar_sampling(pyr_bar *bar, int64_t done, int64_t total, double images_per_s)
{
    char eta[32], text[96];

    pyr_clock_text(eta, images_per_s > 0 ? (double)(total - done) / images_per_s : 0);
    snprintf(text, sizeof text, "%.1f images/s  ETA %s", images_per_s, eta);
    pyr_bar_draw(bar, "sampling", done, total, text);
}

void pyr_bar_line(pyr_bar *bar, const char *fmt, ...)
{
    va_list args;

    pyr_bar_end(bar);
    va_start(args, fmt);
    pyr_vtell(fmt, args);
    va_end(args);
    pyr_tell("\n");
}

void pyr_clock_text(char text[32], double seconds)
{
    long long s = isfinite(seconds) && seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;

    if (s >= 3600)
        snprintf(text, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 32, "%lld:%02lld", s / 60, s % 60);
}

double pyr_mib(size_t bytes)
{
    return (double)bytes / (1024 * 1024);
}
