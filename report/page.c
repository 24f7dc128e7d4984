/* page.c - head, escaped text and embedded pictures of a page of HTML. */
#include "report/page.h"

#include "base/file.h"
#include "base/mem.h"
#include "pictures/png_file.h"
#include <stdarg.h>

/* Pictures narrower than this are enlarged, in CSS pixels. */
enum { WANTED_WIDTH = 320, MOST_BYTES = 64 << 20 };

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1d1f;--soft:#f3f4f6;--line:#d3d7dc}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#15181b;--fg:#e4e6e8;--soft:#20252a;--line:#3c444c}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:80rem;padding:1rem;background:var(--bg);color:var(--fg);font:1rem/1.5 "
    "system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;margin:.2rem 0}\n"
    "h2{font-size:1.3rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}\n"
    "h3{font-size:1.05rem;margin:1.4rem 0 .4rem}\n"
    "p{max-width:48rem;margin:.5rem 0}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1.2rem}\n"
    ".pictures{display:flex;flex-wrap:wrap;gap:1.2rem;align-items:flex-start}\n"
    "figure{margin:0;max-width:100%}\n"
    "figcaption{font-size:.9rem;margin:.2rem 0}\n"
    "img{max-width:100%;height:auto;image-rendering:pixelated;display:block}\n"
    ".box{overflow-x:auto;overflow-wrap:normal;margin:.6rem 0}\n"
    "table{border-collapse:collapse;font-size:.92rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .7rem .3rem 0;border-bottom:1px solid "
    "var(--line);text-align:left;vertical-align:top;white-space:nowrap}\n"
    "th:first-child{white-space:normal;overflow-wrap:normal;min-width:7rem}\n"
    "td.wrap{white-space:normal;overflow-wrap:anywhere}\n"
    "pre{background:var(--soft);padding:.8rem;font-size:.82rem;white-space:pre-wrap;overflow-wrap:anywhere}\n";

/* After the colours of plots: paper is white. */
static const char print_style[] = "@media print{\n"
                                  ":root{color-scheme:light;--bg:#fff;--fg:#000;--soft:#fff;--line:#999}\n"
                                  "html{font-size:10pt}body{max-width:none;padding:0}\n"
                                  ".plots{grid-template-columns:1fr 1fr}\n"
                                  "figure,tr{break-inside:avoid}\n"
                                  "h2,h3{break-after:avoid}\n"
                                  ".box{overflow:visible}th,td{white-space:normal}\n"
                                  "}\n";

void pyr_page_begin(pyr_text *out, const char *title)
{
    pyr_text_add(out,
                 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                 "style-src 'unsafe-inline'\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta name=\"generator\" content=\"pyrdiff\">\n<title>");
    pyr_escape(out, title);
    pyr_text_add(out, "</title>\n<style>\n%s%s%s</style>\n</head>\n<body>\n", style, pyr_svg_style,
                 print_style);
}

void pyr_page_end(pyr_text *out)
{
    pyr_text_add(out, "</body>\n</html>\n");
}

static void add_escaped(pyr_text *out, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void add_escaped(pyr_text *out, const char *fmt, va_list args)
{
    char *text = pyr_vstrfmt(fmt, args);

    if (text)
        pyr_escape(out, text);
    else
        out->failed = true;
    pyr_free(text);
}

void pyr_page_text(pyr_text *out, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_escaped(out, fmt, args);
    va_end(args);
}

void pyr_page_element(pyr_text *out, const char *tag, const char *fmt, ...)
{
    va_list args;

    pyr_text_add(out, "<%s>", tag);
    va_start(args, fmt);
    add_escaped(out, fmt, args);
    va_end(args);
    pyr_text_add(out, "</%s>\n", tag);
}

void pyr_base64(pyr_text *out, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = bytes;
    char block[1024];
    size_t filled = 0;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        unsigned three = (unsigned)at[i] << 16 | (left > 1 ? (unsigned)at[i + 1] << 8 : 0) |
                         (left > 2 ? (unsigned)at[i + 2] : 0);

        block[filled++] = digits[three >> 18];
        block[filled++] = digits[three >> 12 & 63];
        block[filled++] = left > 1 ? digits[three >> 6 & 63] : '=';
        block[filled++] = left > 2 ? digits[three & 63] : '=';
        if (filled == sizeof block) {
            pyr_text_add_bytes(out, block, filled);
            filled = 0;
        }
    }
    pyr_text_add_bytes(out, block, filled);
}

static unsigned big_endian(const char *bytes)
{
    const unsigned char *at = (const unsigned char *)bytes;

    return (unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3];
}

void pyr_page_png(pyr_text *out, const char *path, const char *words)
{
    char *bytes = NULL;
    size_t size = 0;
    unsigned w, h, zoom;
    pyr_status status = pyr_file_read(&bytes, &size, path, MOST_BYTES);

    if (status == PYR_E_NOMEM)
        out->failed = true;
    if (status != PYR_OK) {
        pyr_page_element(out, "p", "%s: %s", words, pyr_error());
        return;
    }
    /* width and height are the first words of the first chunk */
    w = size > 24 && pyr_png_is(bytes, size) ? big_endian(bytes + 16) : 0;
    h = w ? big_endian(bytes + 20) : 0;
    if (w && h) {
        zoom = w < WANTED_WIDTH ? WANTED_WIDTH / w : 1;
        pyr_text_add(out, "<figure><img alt=\"");
        pyr_escape(out, words);
        pyr_text_add(out, "\" width=\"%u\" height=\"%u\" src=\"data:image/png;base64,", w * zoom, h * zoom);
        pyr_base64(out, bytes, size);
        pyr_text_add(out, "\">\n<figcaption>");
        pyr_escape(out, words);
        pyr_text_add(out, "</figcaption></figure>\n");
    } else
        pyr_page_element(out, "p", "%s: %s is not a PNG file.", words, path);
    pyr_free(bytes);
}

void pyr_page_plot(pyr_text *out, const pyr_plot *plot)
{
    pyr_text_add(out, "<figure>");
    pyr_svg_plot(out, plot);
    pyr_page_element(out, "figcaption", "%s", plot->title);
    pyr_text_add(out, "</figure>\n");
}
