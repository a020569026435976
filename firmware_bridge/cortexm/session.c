/* A device's session in integers alone, so that every machine sends the same bytes: each kind of packet, each codec,
 * both modes, with and without seal, and the answer to a host's command. */
#define AUSLINK_IMPLEMENTATION
#include "auslink.h"
#include "session.h"

enum { BLOCK = 160, BLOCKS = 50 };

static uint8_t out[AUSLINK_MAX_BYTES(2 * BLOCK)];
static int16_t sound[2 * BLOCK];
static const uint8_t key[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* Golden vector "command" of PROTOCOL.md as a byte stream: hello request, time ping. */
static const uint8_t command[] = {
#include "command.inc"
};

/* Noise through a low-pass that swells and fades as breath does, with a step at times: n values of each channel. */
static void breathe(uint32_t *seed, uint32_t block, unsigned n) {
    unsigned i;
    int32_t state = 0, swell = (int32_t)(block % 25u < 13u ? block % 25u : 25u - block % 25u);
    for (i = 0; i < n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        state += ((int32_t)(*seed >> 20) - 2048 - state) / 4;
        sound[i] = (int16_t)(state * swell / 8 + (block % 17u == 16u && i == 40 ? 30000 : 0));
    }
}

static int hello_and_telemetry(auslink_t *link) {
    static const auslink_stream_t streams[1] = {{8000000u, BLOCK, 240, 1200, 0, AUSLINK_CHEST, 1, 3, 4}};
    static const auslink_hello_t hello = {"session", "1.0", "0001", streams, 1};
    auslink_telemetry_t t;
    size_t size = auslink_hello(link, out, sizeof out, 0, &hello);
    machine_send(out, size);
    if (!size) return 1;
    t.uptime_us = 0x0123456789abcdefu;
    t.clock_index = 0xfffffff0u;
    t.packets_sent = 1;
    t.packets_dropped = 2;
    t.overruns = 3;
    t.has = 0x1ff;
    t.battery_mv = 3700;
    t.motion_rms_mg = 12;
    t.motion_peak_mg = 80;
    t.peak = 32768u;
    t.clipped = 4;
    t.skin_centicelsius = -125;
    t.battery_percent = 81;
    t.charging = 0;
    t.contact = 200;
    t.rssi_dbm = -61;
    t.queue_percent = 25;
    size = auslink_telemetry(link, out, sizeof out, 0, 8, &t);
    machine_send(out, size);
    return !size;
}

static int obey(auslink_t *link) {
    static auslink_decoder decoder;
    auslink_order_t order;
    unsigned i;
    int orders = 0;
    for (i = 0; i < sizeof command; i++) {
        if (!auslink_receive(&decoder, link, command[i])) continue;
        while (auslink_next_order(&decoder, &order)) {
            size_t size = 0;
            orders++;
            if (order.order == AUSLINK_TIME_PING) size = auslink_time(link, out, sizeof out, 0, 16, order.token, 99);
            if (order.order == AUSLINK_HELLO_REQUEST) size = auslink_log(link, out, sizeof out, 16, 6, "heard");
            machine_send(out, size);
        }
    }
    return orders != 2;
}

static int stream(auslink_t *link, const char *name, uint8_t codec, unsigned channels) {
    uint32_t block, seed = 1, ticks = 0, stack = 0;
    auslink_samples_t s;
    s.values = sound;
    s.n = BLOCK;
    s.channels = (uint8_t)channels;
    s.codec = codec;
    s.stream = 0;
    for (block = 0; block < BLOCKS; block++) {
        size_t size;
        uint32_t start, used;
        breathe(&seed, block, BLOCK * channels);
        s.index = 0xfffff000u + block * BLOCK;
        s.flags = block % 17u == 16u ? AUSLINK_CLIPPED : 0;
        machine_stack_paint();
        start = machine_ticks();
        size = auslink_samples(link, out, sizeof out, &s);
        ticks += machine_ticks_since(start);
        used = machine_stack_used();
        if (used > stack) stack = used;
        if (!size) return 1;
        machine_send(out, size);
    }
    machine_report(name, ticks, BLOCKS * BLOCK * channels, stack);
    return 0;
}

int session(void) {
    static auslink_t link;
    int wrong;
    auslink_init(&link, 7, 1, AUSLINK_STREAM);
    wrong = hello_and_telemetry(&link) || obey(&link);
    wrong = wrong || stream(&link, "pcm", AUSLINK_CODEC_PCM, 1) || stream(&link, "rice", AUSLINK_CODEC_RICE, 1) ||
            stream(&link, "rice of 2 channels", AUSLINK_CODEC_RICE, 2);
    auslink_seal(&link, key, sizeof key, 2);
    return wrong || stream(&link, "rice, sealed", AUSLINK_CODEC_RICE, 1);
}
