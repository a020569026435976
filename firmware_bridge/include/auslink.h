/* auslink.h - a stethoscope's side of the auslink protocol, version 1. The bytes are defined in ../PROTOCOL.md.
 *
 * C99 (or C++), one header, no malloc, no float, no globals that change, no libc; any byte order, any alignment.
 * In ONE source file:
 *
 *     #define AUSLINK_IMPLEMENTATION
 *     #include "auslink.h"
 *
 * Before that, if wanted:
 *     #define AUSLINK_RICE              lossless compression: lung sound takes a quarter to a half of the bytes
 *     #define AUSLINK_SEAL              HMAC-SHA256 in every packet, see auslink_seal
 *     #define AUSLINK_CRC32(p, n)       CRC-32 of n bytes by your hardware (PROTOCOL.md, "CRC"); else a 64-byte table
 * AUSLINK_RICE and AUSLINK_SEAL belong in the compiler's options: every file must see the same.
 *
 * Sending samples:
 *
 *     static auslink_t link;
 *     static uint8_t out[AUSLINK_MAX_BYTES(160)];
 *     auslink_init(&link, device_id, boot, AUSLINK_STREAM);
 *     ...
 *     auslink_samples_t s = {0};
 *     s.index = counter; s.values = buffer; s.n = 160; s.channels = 1; s.codec = AUSLINK_CODEC_RICE;
 *     size_t size = auslink_samples(&link, out, sizeof out, &s);     then write out[0..size) to the UART
 *
 * Every encoder returns the number of bytes in `out`, or 0 if `cap` is too small or an argument is out of its range;
 * then nothing was counted. An auslink_t belongs to one thread and one link; there may be several.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AUSLINK_H
#define AUSLINK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AUSLINK_VERSION 1
#define AUSLINK_STREAMS 16
#define AUSLINK_MAX_VALUES 1024 /* samples of all channels in a packet */
#define AUSLINK_MAX_CHANNELS 8
#define AUSLINK_MAX_COMMAND 128 /* bytes of a command's body */

/* Room for a packet; a header, a seal, a CRC and what a byte stream adds are 46 bytes. `values` = n x channels. */
#define AUSLINK_OVERHEAD 46
#define AUSLINK_MAX_BYTES(values) (AUSLINK_OVERHEAD + 2 * (values))
#define AUSLINK_HELLO_BYTES(streams) (AUSLINK_OVERHEAD + 106 + 18 * (streams))
#define AUSLINK_TELEMETRY_BYTES (AUSLINK_OVERHEAD + 59)
#define AUSLINK_LOG_BYTES (AUSLINK_OVERHEAD + 201)
#define AUSLINK_TIME_BYTES (AUSLINK_OVERHEAD + 24)

typedef enum {
    AUSLINK_STREAM,  /* UART, USB-CDC, TCP: COBS and a zero after each packet */
    AUSLINK_DATAGRAM /* UDP, BLE notification: one packet each */
} auslink_mode;

enum { AUSLINK_CODEC_PCM = 0, AUSLINK_CODEC_RICE = 1 };

enum { /* auslink_samples_t.flags */
    AUSLINK_LOST_BEFORE = 0x10, /* samples were lost just before these */
    AUSLINK_CLIPPED = 0x20,     /* a sample is at the end of the converter's range */
    AUSLINK_NO_CONTACT = 0x40,  /* not on the skin */
    AUSLINK_LAST = 0x80         /* the stream ends here on purpose */
};

enum { AUSLINK_CHEST = 0, AUSLINK_AMBIENT = 1, AUSLINK_IMU = 2, AUSLINK_PPG = 3, AUSLINK_OTHER = 255 };

/* One link of one device. Only seq is yours to change: seq[stream]++ for each packet that you drop unencoded. */
typedef struct {
    uint32_t device_id;
    auslink_mode mode;
    uint8_t boot;
    uint16_t seq[AUSLINK_STREAMS];
#ifdef AUSLINK_SEAL
    const uint8_t *key; /* 0: no seal */
    uint32_t session, number;
    uint8_t key_bytes;
#endif
} auslink_t;

/* device_id: yours alone and not 0. boot: another number than before the last reset; a counter in flash or RTC memory
 * is best, a random number will do. Call it again with another boot whenever the sample counter begins anew. */
void auslink_init(auslink_t *link, uint32_t device_id, uint8_t boot, auslink_mode mode);

#ifdef AUSLINK_SEAL
/* Seal every packet from now on, and obey sealed commands only. key: 16 to 64 secret bytes that stay where they are.
 * session: a number greater at each boot than ever before with this key (a counter in flash, stored before this call).
 * boot becomes the low byte of session. After 2^32 packets nothing is sent until a new session. */
void auslink_seal(auslink_t *link, const uint8_t *key, uint8_t key_bytes, uint32_t session);
#endif

typedef struct {
    const int16_t *values; /* n x channels, interleaved */
    uint32_t index;        /* number of the first sample per channel since boot; lost samples are counted too */
    uint16_t n;            /* samples per channel, at least 1; n x channels at most AUSLINK_MAX_VALUES */
    uint8_t channels;      /* 1 to 8 */
    uint8_t codec;         /* AUSLINK_CODEC_RICE becomes PCM where that is smaller, and without AUSLINK_RICE */
    uint8_t stream;        /* 0 to 15 */
    uint8_t flags;
} auslink_samples_t;

size_t auslink_samples(auslink_t *link, uint8_t *out, size_t cap, const auslink_samples_t *samples);

typedef struct {
    uint32_t rate_mhz; /* thousandths of a hertz, as the clock tree really gives it; sound: 1 to 200 kHz, or refused */
    uint16_t n;        /* samples per channel in a packet; 0 where it varies */
    int16_t gain;      /* tenths of a dB between converter and packet */
    int16_t full_scale_spl; /* tenths of a dB re 20 uPa at full scale; AUSLINK_SPL_UNKNOWN */
    uint8_t stream, kind, channels;
    uint8_t codecs; /* bit c: can send codec c */
    uint8_t site;   /* where on the body, PROTOCOL.md; 0 unknown */
} auslink_stream_t;

#define AUSLINK_SPL_UNKNOWN (-32767 - 1)

typedef struct {
    const char *model, *firmware, *serial; /* UTF-8, at most 32 bytes are sent; 0: not said */
    const auslink_stream_t *streams;
    uint8_t n_streams; /* at most 16 */
} auslink_hello_t;

/* index, here and below: the number of the next sample of the stream (of stream 0 in a hello). */
size_t auslink_hello(auslink_t *link, uint8_t *out, size_t cap, uint32_t index, const auslink_hello_t *hello);

enum { /* auslink_telemetry_t.has: which of the fields are sent */
    AUSLINK_HAS_CLOCK = 1,
    AUSLINK_HAS_BATTERY = 2,
    AUSLINK_HAS_CONTACT = 4,
    AUSLINK_HAS_SKIN = 8,
    AUSLINK_HAS_MOTION = 16,
    AUSLINK_HAS_COUNTERS = 32,
    AUSLINK_HAS_RSSI = 64,
    AUSLINK_HAS_LEVEL = 128,
    AUSLINK_HAS_QUEUE = 256
};

typedef struct {
    uint64_t uptime_us; /* clock: microseconds since boot ... */
    uint32_t clock_index; /* ... when this was the number of the stream's next sample */
    uint32_t packets_sent, packets_dropped, overruns; /* counters, since boot */
    uint16_t has;
    uint16_t battery_mv; /* 0 unknown */
    uint16_t motion_rms_mg, motion_peak_mg;
    uint16_t peak, clipped; /* level since the last telemetry; clipped stays at 65535 */
    int16_t skin_centicelsius;
    uint8_t battery_percent, charging; /* 255 unknown; charging: 0 no, 1 yes, 2 full */
    uint8_t contact; /* 0 none to 254 full, 255 unknown */
    int8_t rssi_dbm;
    uint8_t queue_percent;
} auslink_telemetry_t;

size_t auslink_telemetry(auslink_t *link, uint8_t *out, size_t cap, uint8_t stream, uint32_t index,
                         const auslink_telemetry_t *telemetry);

/* severity as syslog: 3 error, 4 warning, 6 information, 7 debug; at most 200 bytes of text are sent. */
size_t auslink_log(auslink_t *link, uint8_t *out, size_t cap, uint32_t index, uint8_t severity, const char *text);

/* Answer to a time ping: uptime_us and index when it was heard; stream: whose index that is, 0 by custom. */
size_t auslink_time(auslink_t *link, uint8_t *out, size_t cap, uint8_t stream, uint32_t index, uint64_t token,
                    uint64_t uptime_us);

/* Commands of the host; a device without a receiving line leaves all of this out. */

typedef struct { /* all zero before the first byte */
    uint8_t body[AUSLINK_MAX_COMMAND];
    uint16_t size; /* bytes in body; above AUSLINK_MAX_COMMAND: this frame is lost */
    uint16_t at, end; /* the orders not read yet */
    uint8_t left;  /* bytes until the next code byte */
    uint8_t zero;  /* a zero belongs before it */
#ifdef AUSLINK_SEAL
    uint8_t heard;
    uint32_t session, number; /* of the last command obeyed */
#endif
} auslink_decoder;

enum {
    AUSLINK_HELLO_REQUEST = 1,
    AUSLINK_START = 2,     /* stream, 255 all */
    AUSLINK_STOP = 3,      /* stream, 255 all */
    AUSLINK_SET_CODEC = 4, /* stream, value */
    AUSLINK_SET_GAIN = 5,  /* stream, gain */
    AUSLINK_IDENTIFY = 6,  /* value: seconds */
    AUSLINK_TIME_PING = 7  /* token */
};

typedef struct {
    uint64_t token;
    int16_t gain; /* tenths of a dB */
    uint8_t order, stream, value;
} auslink_order_t;

/* One byte of a stream, or one whole datagram. Returns 1 when a command for this device is there: read its orders with
 * auslink_next_order, before the next byte, until that returns 0. Anything else is skipped. */
int auslink_receive(auslink_decoder *decoder, const auslink_t *link, uint8_t byte);
int auslink_receive_datagram(auslink_decoder *decoder, const auslink_t *link, const uint8_t *bytes, size_t size);
int auslink_next_order(auslink_decoder *decoder, auslink_order_t *order);

#ifdef __cplusplus
}
#endif
#endif /* AUSLINK_H */

#ifdef AUSLINK_IMPLEMENTATION
#ifndef AUSLINK_IMPLEMENTED
#define AUSLINK_IMPLEMENTED

enum {
    AUSLINK__HEADER = 16,
    AUSLINK__TAG = 8,
    AUSLINK__LEAD = 9, /* code bytes that COBS may put before the last byte of the longest body */
    AUSLINK__SEALED = 0x80,
    AUSLINK__MARKS = 0x70,
    AUSLINK__HELLO = 1,
    AUSLINK__TELEMETRY = 2,
    AUSLINK__LOG = 3,
    AUSLINK__TIME = 4,
    AUSLINK__COMMAND = 8,
    AUSLINK__TEXT = 32,
    AUSLINK__LINE = 200
};

static uint8_t *auslink__put2(uint8_t *at, uint32_t v) {
    *at++ = (uint8_t)v;
    *at++ = (uint8_t)(v >> 8);
    return at;
}

static uint8_t *auslink__put4(uint8_t *at, uint32_t v) { return auslink__put2(auslink__put2(at, v), v >> 16); }

static uint8_t *auslink__put8(uint8_t *at, uint64_t v) {
    return auslink__put4(auslink__put4(at, (uint32_t)v), (uint32_t)(v >> 32));
}

static uint8_t *auslink__entry(uint8_t *at, uint8_t id, uint8_t size) {
    *at++ = id;
    *at++ = size;
    return at;
}

static uint32_t auslink__get4(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#ifndef AUSLINK_CRC32
/* CRC-32 of IEEE 802.3, four bits at a time: the table is that of the polynomial 0xEDB88320. */
static uint32_t auslink__crc32(const uint8_t *p, size_t n) {
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
                                       0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    uint32_t crc = 0xffffffffu;
    for (; n; n--) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}
#define AUSLINK_CRC32(p, n) auslink__crc32(p, n)
#endif

#ifdef AUSLINK_SEAL
typedef struct {
    uint32_t state[8], w[16], total;
} auslink__sha;

static uint32_t auslink__ror(uint32_t v, unsigned n) { return v >> n | v << (32 - n); }

/* FIPS 180-4, with sixteen words of the message schedule at a time. */
static void auslink__sha_block(auslink__sha *sha) {
    static const uint32_t k[64] = {
        0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
        0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
        0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
        0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
        0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
        0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
        0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
        0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u};
    uint32_t v[8], *w = sha->w;
    unsigned i, j;
    for (i = 0; i < 8; i++) v[i] = sha->state[i];
    for (i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4], one, two;
        if (i >= 16) {
            uint32_t x = w[(i + 1) & 15u], y = w[(i + 14) & 15u];
            w[i & 15u] += w[(i + 9) & 15u] + (auslink__ror(x, 7) ^ auslink__ror(x, 18) ^ x >> 3) +
                          (auslink__ror(y, 17) ^ auslink__ror(y, 19) ^ y >> 10);
        }
        one = v[7] + (auslink__ror(e, 6) ^ auslink__ror(e, 11) ^ auslink__ror(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
              k[i] + w[i & 15u];
        two = (auslink__ror(a, 2) ^ auslink__ror(a, 13) ^ auslink__ror(a, 22)) +
              ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        for (j = 7; j; j--) v[j] = v[j - 1];
        v[4] += one;
        v[0] = one + two;
    }
    for (i = 0; i < 8; i++) sha->state[i] += v[i];
}

static void auslink__sha_byte(auslink__sha *sha, uint8_t byte) {
    unsigned at = sha->total++ & 63u;
    uint32_t *word = &sha->w[at >> 2];
    *word = *word << 8 | byte;
    if (at == 63u) auslink__sha_block(sha);
}

static void auslink__sha_end(auslink__sha *sha) {
    uint32_t bits = sha->total << 3, i;
    auslink__sha_byte(sha, 0x80);
    while ((sha->total & 63u) != 56u) auslink__sha_byte(sha, 0);
    for (i = 0; i < 4; i++) auslink__sha_byte(sha, 0);
    for (i = 0; i < 4; i++) auslink__sha_byte(sha, (uint8_t)(bits >> (24 - 8 * i)));
}

static void auslink__sha_begin(auslink__sha *sha, const uint8_t *key, uint8_t key_bytes, uint8_t pad) {
    static const uint32_t start[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    unsigned i;
    for (i = 0; i < 8; i++) sha->state[i] = start[i];
    sha->total = 0;
    for (i = 0; i < 64; i++) auslink__sha_byte(sha, (uint8_t)((i < key_bytes ? key[i] : 0) ^ pad));
}

/* The first 8 bytes of HMAC-SHA256, RFC 2104. */
static void auslink__tag(const auslink_t *link, const uint8_t *p, size_t n, uint8_t tag[AUSLINK__TAG]) {
    auslink__sha sha;
    uint32_t inner[8];
    unsigned i;
    auslink__sha_begin(&sha, link->key, link->key_bytes, 0x36);
    while (n--) auslink__sha_byte(&sha, *p++);
    auslink__sha_end(&sha);
    for (i = 0; i < 8; i++) inner[i] = sha.state[i];
    auslink__sha_begin(&sha, link->key, link->key_bytes, 0x5c);
    for (i = 0; i < 32; i++) auslink__sha_byte(&sha, (uint8_t)(inner[i >> 2] >> (24 - 8 * (i & 3u))));
    auslink__sha_end(&sha);
    for (i = 0; i < AUSLINK__TAG; i++) tag[i] = (uint8_t)(sha.state[i >> 2] >> (24 - 8 * (i & 3u)));
}

void auslink_seal(auslink_t *link, const uint8_t *key, uint8_t key_bytes, uint32_t session) {
    link->key = key;
    link->key_bytes = key_bytes;
    link->session = session;
    link->number = 0;
    link->boot = (uint8_t)session;
}
#endif

void auslink_init(auslink_t *link, uint32_t device_id, uint8_t boot, auslink_mode mode) {
    unsigned i;
    link->device_id = device_id;
    link->mode = mode;
    link->boot = boot;
    for (i = 0; i < AUSLINK_STREAMS; i++) link->seq[i] = 0;
#ifdef AUSLINK_SEAL
    link->key = 0;
    link->key_bytes = 0;
    link->session = 0;
    link->number = 0;
#endif
}

/* COBS of [from, end) to out, which may be the same memory AUSLINK__LEAD bytes lower: no byte is written before it was
 * read, because out runs behind by what code bytes have not used yet. Returns the end, delimiter included. */
static uint8_t *auslink__stuff(uint8_t *out, const uint8_t *from, const uint8_t *end) {
    uint8_t *code = out++;
    uint8_t run = 1;
    while (from < end) {
        uint8_t byte = *from++;
        if (byte) {
            *out++ = byte;
            run++;
        }
        if (!byte || (run == 255 && from < end)) {
            *code = run;
            code = out++;
            run = 1;
        }
    }
    *code = run;
    *out++ = 0;
    return out;
}

/* Header of a packet without samples; returns where the payload goes, or 0 if `payload` bytes and all that is around
 * them do not fit. */
static uint8_t *auslink__open(auslink_t *link, uint8_t *out, size_t cap, size_t payload, unsigned type,
                              unsigned stream, uint32_t index) {
    size_t need = AUSLINK__HEADER + payload + 4;
    if (stream >= AUSLINK_STREAMS) return 0;
    if (link->mode == AUSLINK_STREAM) {
        need += AUSLINK__LEAD + 1;
        out += AUSLINK__LEAD;
    }
#ifdef AUSLINK_SEAL
    if (link->key) {
        need += 8 + AUSLINK__TAG;
        if (link->number == 0xffffffffu) return 0;
    }
#endif
    if (cap < need) return 0;
    *out++ = (uint8_t)(AUSLINK_VERSION << 4 | type);
    *out++ = (uint8_t)stream;
    out = auslink__put2(out, link->seq[stream]++);
    out = auslink__put4(out, link->device_id);
    out = auslink__put4(out, index);
    *out++ = 0;
    *out++ = link->boot;
    return auslink__put2(out, 0);
}

/* Seal, CRC and framing around the payload that ends at `end`; returns the size of all. */
static size_t auslink__close(auslink_t *link, uint8_t *out, uint8_t *end) {
    uint8_t *body = link->mode == AUSLINK_STREAM ? out + AUSLINK__LEAD : out;
#ifdef AUSLINK_SEAL
    if (link->key) {
        body[12] |= AUSLINK__SEALED;
        end = auslink__put4(auslink__put4(end, link->session), link->number++);
        auslink__tag(link, body, (size_t)(end - body), end);
        end += AUSLINK__TAG;
    }
#endif
    end = auslink__put4(end, AUSLINK_CRC32(body, (size_t)(end - body)));
    if (link->mode == AUSLINK_STREAM) end = auslink__stuff(out, body, end);
    return (size_t)(end - out);
}

#ifdef AUSLINK_RICE
#ifdef __GNUC__ /* not part of its caller, so that its share of the stack is given back */
#define AUSLINK__APART __attribute__((noinline))
#else
#define AUSLINK__APART
#endif

typedef struct {
    uint8_t *at;
    const uint8_t *limit;
    uint32_t bits;
    unsigned fill; /* bits that wait in `bits`, below 8 between calls */
} auslink__plane;

static void auslink__bits(auslink__plane *plane, uint32_t v, unsigned n) { /* n at most 24 */
    plane->bits |= v << plane->fill;
    plane->fill += n;
    while (plane->fill >= 8 && plane->at < plane->limit) {
        *plane->at++ = (uint8_t)plane->bits;
        plane->bits >>= 8;
        plane->fill -= 8;
    }
}

static void auslink__pad(auslink__plane *plane) {
    if (plane->fill) auslink__bits(plane, 0, 8 - plane->fill);
}

static uint32_t auslink__fold(int32_t r) { return r < 0 ? ((uint32_t)-r << 1) - 1 : (uint32_t)r << 1; }

/* Folded residual of the sample at x; its neighbours in time are `step` values apart. */
static uint32_t auslink__residual(const int16_t *x, size_t step, unsigned order) {
    int32_t r = x[0];
    if (order == 1) r -= *(x - step);
    if (order > 1) {
        int32_t one = *(x - step), two = *(x - 2 * step);
        r += two - 2 * one;
        if (order > 2) r += 2 * two - one - *(x - 3 * step);
    }
    return auslink__fold(r);
}

/* First byte of a channel's block: the order with the least sum of folded residuals, and the k of their mean, which on
 * lung sound cost 0.6 % more bytes than the best of all choices. */
AUSLINK__APART static uint8_t auslink__choose(const int16_t *x, size_t step, unsigned n) {
    uint32_t sums[4];
    int32_t last[4];
    unsigned i, order, best = 0, k = 0;
    for (order = 0; order < 4; order++) {
        sums[order] = 0;
        last[order] = 0;
    }
    for (i = 0; i < n; i++, x += step) {
        int32_t r = *x, before;
        for (order = 0; order < 4; order++) { /* the difference of order p is that of p - 1, less what it was before */
            before = last[order];
            last[order] = r;
            if (i >= order) sums[order] += auslink__fold(r);
            r -= before;
        }
    }
    for (order = 1; order < 4; order++)
        if (sums[order] < sums[best]) best = order;
    while (k < 15 && sums[best] >> (k + 1) >= n) k++;
    return (uint8_t)(best << 5 | k);
}

/* One channel's block, which begins with `choice`, at `at`; returns its end, or 0 if that would be after `limit`. */
AUSLINK__APART static uint8_t *auslink__block(uint8_t *at, const uint8_t *limit, const auslink_samples_t *s,
                                              const int16_t *x, uint8_t choice) {
    unsigned i, k = choice & 31u, order = choice >> 5;
    uint32_t ones = 0;
    auslink__plane plane;
    plane.limit = limit;
    plane.bits = 0;
    plane.fill = 0;
    if (limit - at < 3 + 2 * (int)order) return 0;
    *at++ = choice;
    for (i = 0; i < order; i++, x += s->channels) at = auslink__put2(at, (uint32_t)*x);
    plane.at = at + 2;
    for (; i < s->n && plane.fill < 8; i++, x += s->channels) {
        uint32_t u = auslink__residual(x, s->channels, order) >> k;
        for (ones += u + 1; u >= 16 && plane.fill < 8; u -= 16) auslink__bits(&plane, 0, 16);
        if (plane.fill < 8) auslink__bits(&plane, (uint32_t)1 << u, (unsigned)u + 1);
    }
    auslink__pad(&plane);
    auslink__put2(at, ones);
    for (x -= (i - order) * (size_t)s->channels, i = order; i < s->n && plane.fill < 8; i++, x += s->channels)
        auslink__bits(&plane, auslink__residual(x, s->channels, order) & (((uint32_t)1 << k) - 1), k);
    auslink__pad(&plane);
    return plane.fill ? 0 : plane.at; /* bits that wait found no room */
}

/* Blocks of all channels; returns the end, or 0 if PCM, which needs `pcm` bytes, is no larger. */
static uint8_t *auslink__rice(uint8_t *at, size_t pcm, const auslink_samples_t *s) {
    const uint8_t *limit = at + pcm - 1;
    const int16_t *x = s->values, *end = x + s->channels;
    for (; x < end && at; x++) at = auslink__block(at, limit, s, x, auslink__choose(x, s->channels, s->n));
    return at;
}
#endif

size_t auslink_samples(auslink_t *link, uint8_t *out, size_t cap, const auslink_samples_t *samples) {
    const int16_t *x = samples->values;
    size_t values = (size_t)samples->n * samples->channels;
    uint8_t *payload, *end = 0;
    if (!samples->n || samples->channels - 1u >= AUSLINK_MAX_CHANNELS || values > AUSLINK_MAX_VALUES) return 0;
    payload = auslink__open(link, out, cap, 2 * values, 0, samples->stream, samples->index);
    if (!payload) return 0;
    payload[-15] |= samples->flags & 0xf0;
    auslink__put2(payload - 2, samples->n);
#ifdef AUSLINK_RICE
    if (samples->codec == AUSLINK_CODEC_RICE) {
        end = auslink__rice(payload, 2 * values, samples);
        if (end) payload[-4] = AUSLINK_CODEC_RICE;
    }
#endif
    if (!end)
        for (end = payload; values; values--) end = auslink__put2(end, (uint32_t)*x++);
    return auslink__close(link, out, end);
}

static uint8_t *auslink__text(uint8_t *at, const char *text, unsigned most) {
    for (; *text && most; most--) *at++ = (uint8_t)*text++;
    return at;
}

size_t auslink_hello(auslink_t *link, uint8_t *out, size_t cap, uint32_t index, const auslink_hello_t *hello) {
    const char *texts[3];
    const auslink_stream_t *s = hello->streams;
    uint8_t *at, *from, i;
    if (hello->n_streams > AUSLINK_STREAMS) return 0;
    at = auslink__open(link, out, cap, 106u + 18u * hello->n_streams, AUSLINK__HELLO, 0, index);
    if (!at) return 0;
    texts[0] = hello->model;
    texts[1] = hello->firmware;
    texts[2] = hello->serial;
    at = auslink__entry(at, 1, 2);
    *at++ = AUSLINK_VERSION;
    *at++ = AUSLINK_VERSION;
    for (i = 0; i < 3; i++) {
        if (!texts[i]) continue;
        from = at;
        at = auslink__text(at + 2, texts[i], AUSLINK__TEXT);
        auslink__entry(from, (uint8_t)(i + 2), (uint8_t)(at - from - 2));
    }
    for (i = 0; i < hello->n_streams; i++, s++) {
        at = auslink__entry(at, 5, 16);
        *at++ = s->stream;
        *at++ = s->kind;
        *at++ = s->channels;
        *at++ = s->codecs;
        at = auslink__put4(at, s->rate_mhz);
        at = auslink__put2(at, s->n);
        at = auslink__put2(at, (uint32_t)s->gain);
        at = auslink__put2(at, (uint32_t)s->full_scale_spl);
        *at++ = s->site;
        *at++ = 0;
    }
    return auslink__close(link, out, at);
}

size_t auslink_telemetry(auslink_t *link, uint8_t *out, size_t cap, uint8_t stream, uint32_t index,
                         const auslink_telemetry_t *t) {
    uint8_t *at = auslink__open(link, out, cap, 59, AUSLINK__TELEMETRY, stream, index);
    if (!at) return 0;
    if (t->has & AUSLINK_HAS_CLOCK)
        at = auslink__put4(auslink__put8(auslink__entry(at, 1, 12), t->uptime_us), t->clock_index);
    if (t->has & AUSLINK_HAS_BATTERY) {
        at = auslink__put2(auslink__entry(at, 2, 4), t->battery_mv);
        *at++ = t->battery_percent;
        *at++ = t->charging;
    }
    if (t->has & AUSLINK_HAS_CONTACT) {
        at = auslink__entry(at, 3, 1);
        *at++ = t->contact;
    }
    if (t->has & AUSLINK_HAS_SKIN) at = auslink__put2(auslink__entry(at, 4, 2), (uint32_t)t->skin_centicelsius);
    if (t->has & AUSLINK_HAS_MOTION)
        at = auslink__put2(auslink__put2(auslink__entry(at, 5, 4), t->motion_rms_mg), t->motion_peak_mg);
    if (t->has & AUSLINK_HAS_COUNTERS) {
        at = auslink__put4(auslink__entry(at, 6, 12), t->packets_sent);
        at = auslink__put4(auslink__put4(at, t->packets_dropped), t->overruns);
    }
    if (t->has & AUSLINK_HAS_RSSI) {
        at = auslink__entry(at, 7, 1);
        *at++ = (uint8_t)t->rssi_dbm;
    }
    if (t->has & AUSLINK_HAS_LEVEL)
        at = auslink__put2(auslink__put2(auslink__entry(at, 8, 4), t->peak), t->clipped);
    if (t->has & AUSLINK_HAS_QUEUE) {
        at = auslink__entry(at, 9, 1);
        *at++ = t->queue_percent;
    }
    return auslink__close(link, out, at);
}

size_t auslink_log(auslink_t *link, uint8_t *out, size_t cap, uint32_t index, uint8_t severity, const char *text) {
    uint8_t *at = auslink__open(link, out, cap, 1 + AUSLINK__LINE, AUSLINK__LOG, 0, index);
    if (!at) return 0;
    *at++ = severity;
    return auslink__close(link, out, auslink__text(at, text, AUSLINK__LINE));
}

size_t auslink_time(auslink_t *link, uint8_t *out, size_t cap, uint8_t stream, uint32_t index, uint64_t token,
                    uint64_t uptime_us) {
    uint8_t *at = auslink__open(link, out, cap, 24, AUSLINK__TIME, stream, index);
    if (!at) return 0;
    at = auslink__put8(auslink__entry(at, 1, 8), token);
    at = auslink__put4(auslink__put8(auslink__entry(at, 2, 12), uptime_us), index);
    return auslink__close(link, out, at);
}

/* Whether the body in the decoder is a command that this device should obey. */
static int auslink__is_command(auslink_decoder *decoder, const auslink_t *link) {
    const uint8_t *body = decoder->body;
    size_t end = decoder->size;
    uint32_t to;
    if (end < AUSLINK__HEADER + 4 || end > AUSLINK_MAX_COMMAND) return 0;
    end -= 4;
    if (AUSLINK_CRC32(body, end) != auslink__get4(body + end)) return 0;
    to = auslink__get4(body + 4);
    if (body[0] != (AUSLINK_VERSION << 4 | AUSLINK__COMMAND) || (body[12] & AUSLINK__MARKS)) return 0;
    if (to && to != link->device_id) return 0;
#ifdef AUSLINK_SEAL
    if (link->key) {
        uint8_t tag[AUSLINK__TAG], wrong = 0;
        uint32_t number;
        unsigned i;
        if (!(body[12] & AUSLINK__SEALED) || end < AUSLINK__HEADER + 8 + AUSLINK__TAG) return 0;
        end -= AUSLINK__TAG;
        auslink__tag(link, body, end, tag);
        for (i = 0; i < AUSLINK__TAG; i++) wrong |= (uint8_t)(tag[i] ^ body[end + i]);
        end -= 8;
        number = auslink__get4(body + end + 4);
        if (wrong || auslink__get4(body + end) != link->session) return 0;
        if (decoder->heard && decoder->session == link->session && number <= decoder->number) return 0;
        decoder->heard = 1;
        decoder->session = link->session;
        decoder->number = number;
    } else
#endif
        if (body[12] & AUSLINK__SEALED) return 0;
    decoder->at = AUSLINK__HEADER;
    decoder->end = (uint16_t)end;
    return 1;
}

static void auslink__keep(auslink_decoder *decoder, uint8_t byte) {
    if (decoder->size < AUSLINK_MAX_COMMAND) decoder->body[decoder->size] = byte;
    if (decoder->size <= AUSLINK_MAX_COMMAND) decoder->size++;
}

int auslink_receive(auslink_decoder *decoder, const auslink_t *link, uint8_t byte) {
    int command = 0;
    if (!byte) { /* the frame is over: whole if no code byte promised more */
        command = !decoder->left && auslink__is_command(decoder, link);
        decoder->size = 0;
        decoder->left = 0;
        decoder->zero = 0;
    } else if (decoder->left) {
        decoder->left--;
        auslink__keep(decoder, byte);
    } else {
        if (decoder->zero) auslink__keep(decoder, 0);
        decoder->left = (uint8_t)(byte - 1);
        decoder->zero = 1; /* not after 255, but a run of 254 bytes is longer than a command */
    }
    return command;
}

int auslink_receive_datagram(auslink_decoder *decoder, const auslink_t *link, const uint8_t *bytes, size_t size) {
    decoder->size = 0;
    decoder->left = 0;
    decoder->zero = 0;
    if (size > AUSLINK_MAX_COMMAND) return 0;
    while (size--) auslink__keep(decoder, *bytes++);
    return auslink__is_command(decoder, link);
}

int auslink_next_order(auslink_decoder *decoder, auslink_order_t *order) {
    static const uint8_t sizes[8] = {0, 0, 1, 1, 2, 3, 1, 8};
    while (decoder->end - decoder->at >= 2) {
        const uint8_t *value = decoder->body + decoder->at + 2;
        uint8_t id = value[-2], size = value[-1];
        if (size > decoder->end - decoder->at - 2) break;
        decoder->at = (uint16_t)(decoder->at + 2 + size);
        if (!id || id > AUSLINK_TIME_PING || size < sizes[id]) continue;
        order->order = id;
        order->stream = size ? value[0] : 0;
        order->value = id == AUSLINK_SET_CODEC ? value[1] : order->stream;
        order->gain = 0;
        order->token = 0;
        if (id == AUSLINK_SET_GAIN) order->gain = (int16_t)(value[1] | value[2] << 8);
        if (id == AUSLINK_TIME_PING)
            order->token = (uint64_t)auslink__get4(value + 4) << 32 | auslink__get4(value);
        return 1;
    }
    decoder->at = decoder->end;
    return 0;
}
#endif
#endif
