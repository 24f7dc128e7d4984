/* limits.c - how much memory this process may still take, from /proc, /sys/fs/cgroup and getrlimit. */
#include "base/limits.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* The number behind `key` at the beginning of a line of a file, times `unit`; false: there is none
 * ("max"). */
static bool number_in(uint64_t *out, const char *path, const char *key, uint64_t unit)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "r");

    while (f && !found && fgets(line, sizeof line, f)) {
        const char *at = line + strlen(key);

        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        at += strspn(at, ": \t");
        found = isdigit((unsigned char)*at);
        *out = found ? strtoull(at, NULL, 10) * unit : 0;
    }
    if (f)
        fclose(f);
    return found;
}

static void lower(uint64_t *left, uint64_t limit, uint64_t used)
{
    uint64_t rest = limit > used ? limit - used : 0;

    *left = rest < *left ? rest : *left;
}

/* One group: the page cache counts as used there, but gives way. */
static void group(uint64_t *left, const char *folder, const char *limit_file, const char *used_file,
                  const char *cache_key)
{
    char path[1200];
    uint64_t limit, used = 0, cache = 0;

    snprintf(path, sizeof path, "%s/%s", folder, limit_file);
    if (!number_in(&limit, path, "", 1))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, used_file);
    number_in(&used, path, "", 1);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    number_in(&cache, path, cache_key, 1);
    lower(left, limit, used > cache ? used - cache : 0);
}

/* Our group and all above it; in a container the path may be of the world outside, then the root is looked
 * at. */
static void groups(uint64_t *left)
{
    char line[512], folder[1024];
    FILE *f = fopen("/proc/self/cgroup", "r");

    while (f && fgets(line, sizeof line, f)) {
        bool v2 = strncmp(line, "0::", 3) == 0;
        char *path = strstr(line, v2 ? "::" : ":memory:");
        const char *root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";

        if (!path)
            continue;
        path += v2 ? 2 : 8;
        path[strcspn(path, "\n")] = 0;
        for (char *slash = path + strlen(path); slash; slash = strrchr(path, '/')) {
            *slash = 0;
            snprintf(folder, sizeof folder, "%s%s", root, path);
            if (v2)
                group(left, folder, "memory.max", "memory.current", "file");
            else
                group(left, folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache");
        }
    }
    if (f)
        fclose(f);
}

/* Of one limit, of which so much is used as a line of /proc says; it is read only where there is a limit. */
static void lower_by_limit(uint64_t *left, int resource, const char *key)
{
    uint64_t used = 0;
    struct rlimit limit;

    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return;
    number_in(&used, "/proc/self/status", key, 1024);
    lower(left, limit.rlim_cur, used);
}

uint64_t pyr_address_left(void)
{
    uint64_t left = UINT64_MAX;

    lower_by_limit(&left, RLIMIT_AS, "VmSize:");
    lower_by_limit(&left, RLIMIT_DATA, "VmData:");
    return left;
}

uint64_t pyr_memory_left(void)
{
    uint64_t left = UINT64_MAX, value, address = pyr_address_left();

    if (number_in(&value, "/proc/meminfo", "MemAvailable:", 1024))
        left = value;
    groups(&left);
    return address < left ? address : left;
}

double pyr_peak_memory_mib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}
