/* wav.c - reads a recording: RIFF WAVE, 16-bit PCM, any rate, up to 8 channels. Not for other formats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static uint32_t get(const uint8_t *p, int bytes) {
    uint32_t v = 0;
    while (bytes--) v = v << 8 | p[bytes];
    return v;
}

static void skip(FILE *f, uint32_t bytes) {
    if (fseek(f, (long)bytes, SEEK_CUR)) bytes = 0;
}

static void take_samples(recording *r, FILE *f, uint32_t size, const char *path) {
    uint32_t i, count;
    uint8_t *raw = malloc(size ? size : 1);
    if (!raw) die("%s: too long for the memory", path);
    size = (uint32_t)fread(raw, 1, size, f); /* a recorder that was cut off leaves less than the head says */
    r->frames = size / 2 / r->channels;
    count = r->frames * r->channels;
    r->values = malloc(sizeof *r->values * (count ? count : 1));
    if (!r->values) die("%s: too long for the memory", path);
    for (i = 0; i < count; i++) {
        uint32_t v = get(raw + 2 * i, 2);
        r->values[i] = (int16_t)(v < 0x8000u ? (int32_t)v : (int32_t)v - 0x10000);
    }
    free(raw);
}

recording read_wav(const char *path) {
    recording r = {0};
    uint8_t head[12], chunk[8], form[16];
    FILE *f = fopen(path, "rb");
    if (!f) die("%s: cannot be read", path);
    if (fread(head, 1, 12, f) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4)) die("%s: is no WAV", path);
    while (!r.values && fread(chunk, 1, 8, f) == 8) {
        uint32_t size = get(chunk + 4, 4);
        if (!memcmp(chunk, "fmt ", 4) && size >= 16 && fread(form, 1, 16, f) == 16) {
            uint32_t format = get(form, 2);
            if ((format != 1 && format != 0xfffeu) || get(form + 14, 2) != 16) die("%s: expected 16-bit PCM", path);
            r.channels = (uint8_t)get(form + 2, 2);
            r.rate = get(form + 4, 4);
            skip(f, size - 16 + (size & 1u));
        } else if (!memcmp(chunk, "data", 4)) {
            if (!r.rate || !r.channels || r.channels > AUSLINK_MAX_CHANNELS) die("%s: expected 1 to 8 channels", path);
            take_samples(&r, f, size, path);
        } else {
            skip(f, size + (size & 1u));
        }
    }
    if (!r.frames) die("%s: holds no sound", path);
    fclose(f);
    return r;
}
