/* A device written against PROTOCOL.md alone: without auslink.h, with floats, libc and the simplest code there is. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint8_t body[2100];
static size_t at;
static uint16_t seq[16];

static void u8(unsigned v) { body[at++] = (uint8_t)v; }
static void u16(unsigned v) { u8(v & 255); u8(v >> 8 & 255); }
static void u32(uint32_t v) { u16(v & 65535); u16(v >> 16); }
static void u64(uint64_t v) { u32((uint32_t)v); u32((uint32_t)(v >> 32)); }

static void begin(unsigned type, unsigned stream, unsigned flags, uint32_t index, unsigned codec, unsigned n) {
    at = 0;
    u8(1 << 4 | type);
    u8(flags | stream);
    u16(seq[stream]++);
    u32(0xCAFE0001u);
    u32(index);
    u8(codec);
    u8(77);
    u16(n);
}

static void end(void) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < at; i++) {
        crc ^= body[i];
        for (int b = 0; b < 8; b++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    u32(~crc);
    size_t start = 0;
    for (;;) {
        size_t stop = start;
        while (stop < at && body[stop] && stop - start < 254) stop++;
        putchar((int)(stop - start + 1));
        fwrite(body + start, 1, stop - start, stdout);
        if (stop == at) break;
        start = stop - start == 254 ? stop : stop + 1;
    }
    putchar(0);
}

static void rice(const int16_t *x, int n, int step, int p, int k) {
    static const int64_t taps[4][4] = {{1, 0, 0, 0}, {1, -1, 0, 0}, {1, -2, 1, 0}, {1, -3, 3, -1}};
    static uint8_t plane[2][9000];
    size_t bits[2] = {0, 0};
    memset(plane, 0, sizeof plane);
    u8((unsigned)(p << 5 | k));
    for (int i = 0; i < p; i++) u16((uint16_t)x[i * step]);
    for (int i = p; i < n; i++) {
        int64_t r = 0, u;
        for (int t = 0; t <= p; t++) r += taps[p][t] * x[(i - t) * step];
        u = r >= 0 ? 2 * r : -2 * r - 1;
        bits[0] += (size_t)(u >> k);
        plane[0][bits[0] / 8] |= (uint8_t)(1 << bits[0] % 8);
        bits[0]++;
        for (int b = 0; b < k; b++, bits[1]++)
            if (u >> b & 1) plane[1][bits[1] / 8] |= (uint8_t)(1 << bits[1] % 8);
    }
    u16((unsigned)bits[0]);
    for (int i = 0; i < 2; i++)
        for (size_t b = 0; b < (bits[i] + 7) / 8; b++) u8(plane[i][b]);
}

int main(void) {
    int16_t x[320];
    fputs("boot loader 1.0, no packet yet", stdout);
    putchar(0);
    begin(1, 0, 0, 0, 0, 0);
    u8(1), u8(2), u8(1), u8(1);
    u8(2), u8(5), memcpy(body + at, "Own C", 5), at += 5;
    u8(5), u8(16), u8(0), u8(0), u8(2), u8(3), u32(16129032), u16(160), u16((uint16_t)-65), u16(0x8000), u8(2), u8(0);
    u8(200), u8(3), u8(1), u8(2), u8(3);
    end();
    for (int i = 0; i < 320; i++) x[i] = (int16_t)lrint(3000 * sin(0.1 * i) * (i % 2 ? -1 : 1));
    begin(0, 0, 0x10, 0xFFFFFFC0u, 0, 160);
    for (int i = 0; i < 320; i++) u16((uint16_t)x[i]);
    end();
    for (int p = 0; p < 4; p++) {
        begin(0, 0, 0, 96u + 160u * (unsigned)p, 1, 160);
        rice(x, 160, 2, p, 8);
        rice(x + 1, 160, 2, 3 - p, 11 - p);
        end();
    }
    begin(2, 0, 0, 736, 0, 0);
    u8(9), u8(1), u8(100);
    u8(1), u8(12), u64(46000123456789u), u32(736);
    u8(4), u8(2), u16((uint16_t)-1050);
    end();
    begin(3, 0, 0, 736, 0, 0);
    u8(3);
    for (int i = 0; i < 200; i++) u8('a' + (unsigned)i % 26);
    end();
    return 0;
}
