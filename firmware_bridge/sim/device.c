/* device.c - a stethoscope that exists in software only: plays recordings over the auslink protocol, with the faults
 * that real ones have. What a device does is in here; its line is in line.c, its command line in options.c.
 *
 * Three clocks: simulated time, in seconds since the start; the device's crystal, `ppm` faster; and the host's, on
 * which simulated time runs at `speed`. A packet is due when its last sample was taken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_IMPLEMENTATION
#include "sim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    uint64_t taken;   /* samples since boot */
    uint64_t lost;    /* of them lost by the converter, since the start */
    uint16_t peak, clipped;
    bool lost_before; /* say so in the next packet */
} capture;

typedef struct {
    auslink_t link;
    auslink_decoder decoder;
    capture streams[MAX_STREAMS];
    double booted, hello_at, telemetry_at; /* simulated time */
    double offset;                         /* where in the recordings it began, seconds */
    uint32_t session, sent, dropped, overruns;
    uint8_t codec;
} device;

static options opt;
static recording recordings[MAX_STREAMS];
static line *out;
static double started_s;
static uint64_t reboots, captured, telemetries, hellos, dropped_packets;
static uint8_t key[64];

volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double rate_of(int stream) { return recordings[stream].rate * (1 + opt.ppm * 1e-6); }
static uint16_t block_of(int stream) {
    uint32_t most = (uint32_t)AUSLINK_MAX_VALUES / recordings[stream].channels, n = recordings[stream].rate / 50;
    if (opt.block) n = (uint32_t)opt.block;
    return (uint16_t)(n < 1 ? 1 : n > most ? most : n);
}

static void boot(device *d, double t, uint32_t id, uint8_t number, uint32_t session) {
    auslink_init(&d->link, id, number, line_mode(out));
    memset(&d->decoder, 0, sizeof d->decoder);
    memset(d->streams, 0, sizeof d->streams);
    if (opt.key) auslink_seal(&d->link, key, (uint8_t)(strlen(opt.key) / 2), session);
    d->booted = t, d->hello_at = t, d->telemetry_at = t + 1;
    d->session = session, d->sent = d->dropped = d->overruns = 0;
    d->codec = opt.codec;
}

static uint32_t index_of(const device *d, int stream) {
    return (uint32_t)(opt.first_index + d->streams[stream].taken);
}

static uint64_t uptime_us(const device *d) { /* by the crystal, at the sample just taken */
    return (uint64_t)((double)d->streams[0].taken / recordings[0].rate * 1e6 + 0.5);
}

/* Give a packet to the line; a full queue drops it, as a device that never waits must. */
static void give(device *d, packet *p) {
    p->device_id = d->link.device_id, p->boot = d->link.boot;
    if (!p->size) die("a packet could not be made; this is a fault of the simulator");
    if (opt.speed <= 0) line_flush(out, false, true);
    if (line_put(out, p)) {
        d->sent++;
        return;
    }
    d->dropped++;
    if (!p->n) return;
    dropped_packets++;
    d->streams[p->stream].lost_before = true;
    line_note(out, p);
}

/* After a boot the line may still hold half a packet: end it, so that it does not take the next one with it. */
static void end_half_packet(device *d) {
    packet p = {0};
    p.size = 1;
    if (d->link.mode == AUSLINK_STREAM) line_put(out, &p); /* no packet, so it is not counted as one */
}

static void say_hello(device *d) {
    auslink_stream_t streams[MAX_STREAMS];
    auslink_hello_t hello = {0};
    char serial[16];
    packet p = {0};
    int i;
    memset(streams, 0, sizeof streams);
    for (i = 0; i < opt.n_wavs; i++) {
        double hz = opt.declared_hz > 0 ? opt.declared_hz : recordings[i].rate;
        streams[i].rate_mhz = (uint32_t)(hz * 1000 + 0.5);
        streams[i].n = block_of(i);
        streams[i].full_scale_spl = AUSLINK_SPL_UNKNOWN;
        streams[i].stream = (uint8_t)i;
        streams[i].kind = i ? AUSLINK_AMBIENT : AUSLINK_CHEST;
        streams[i].channels = recordings[i].channels;
        streams[i].codecs = 3;
    }
    snprintf(serial, sizeof serial, "%08lx", (unsigned long)d->link.device_id);
    hello.model = "simulated", hello.firmware = "1", hello.serial = serial;
    hello.streams = streams, hello.n_streams = (uint8_t)opt.n_wavs;
    p.size = auslink_hello(&d->link, p.bytes, sizeof p.bytes, index_of(d, 0), &hello);
    give(d, &p);
    hellos++;
}

static double battery_at(double t) { /* percent; falls to nothing in the 10 s before a brown-out */
    int i;
    double percent = opt.battery;
    for (i = 0; i < opt.brownouts.count; i++) {
        double left = opt.brownouts.list[i].at - t;
        if (left >= 0 && left < 10 && left / 10 * opt.battery < percent) percent = left / 10 * opt.battery;
    }
    return percent;
}

static void say_telemetry(device *d, double t) {
    auslink_telemetry_t m = {0};
    packet p = {0};
    double battery = battery_at(t);
    bool loose = inside(&opt.loose, t);
    m.has = AUSLINK_HAS_CLOCK | AUSLINK_HAS_BATTERY | AUSLINK_HAS_CONTACT | AUSLINK_HAS_SKIN | AUSLINK_HAS_MOTION |
            AUSLINK_HAS_COUNTERS | AUSLINK_HAS_LEVEL | AUSLINK_HAS_QUEUE;
    m.uptime_us = uptime_us(d), m.clock_index = index_of(d, 0);
    m.battery_percent = (uint8_t)battery, m.battery_mv = (uint16_t)(3300 + 8 * battery);
    m.contact = loose ? 0 : 220, m.skin_centicelsius = loose ? 2450 : 3310;
    m.motion_rms_mg = loose ? 60 : 6, m.motion_peak_mg = loose ? 240 : 21;
    m.packets_sent = d->sent, m.packets_dropped = d->dropped, m.overruns = d->overruns;
    m.peak = d->streams[0].peak, m.clipped = d->streams[0].clipped;
    m.queue_percent = (uint8_t)line_fill(out);
    d->streams[0].peak = d->streams[0].clipped = 0;
    p.size = auslink_telemetry(&d->link, p.bytes, sizeof p.bytes, 0, index_of(d, 0), &m);
    give(d, &p);
    telemetries++;
}

/* Take the next samples of a stream out of its recording; returns the flags that belong to them. */
static uint8_t take(device *d, int stream, int16_t *values, uint16_t n, double t) {
    const recording *r = &recordings[stream];
    capture *c = &d->streams[stream];
    uint64_t at = (uint64_t)((d->booted + d->offset) * r->rate + 0.5) + c->taken;
    bool loose = inside(&opt.loose, t);
    uint8_t flags = loose ? AUSLINK_NO_CONTACT : 0;
    uint32_t i, count = (uint32_t)n * r->channels;
    for (i = 0; i < count; i++) {
        int v = r->values[(at * r->channels + i) % ((uint64_t)r->frames * r->channels)];
        if (loose) v /= 32;
        values[i] = (int16_t)v;
        if (v < 0) v = -v;
        if (v > c->peak) c->peak = (uint16_t)v;
        if (v < 32767) continue;
        flags |= AUSLINK_CLIPPED;
        if (c->clipped < 65535) c->clipped++;
    }
    return flags;
}

static void say_samples(device *d, int stream, uint16_t n, double t, bool is_last) {
    static int16_t values[AUSLINK_MAX_VALUES];
    capture *c = &d->streams[stream];
    auslink_samples_t s = {0};
    packet p = {0};
    p.index = s.index = index_of(d, stream);
    p.n = s.n = n, p.stream = s.stream = (uint8_t)stream;
    s.flags = take(d, stream, values, n, t);
    c->taken += n, captured += n;
    if (inside(&opt.overruns, t)) {
        d->overruns++, c->lost += n;
        c->lost_before = true;
        line_note(out, &(packet){.device_id = d->link.device_id, .boot = d->link.boot, .index = p.index, .n = n,
                                 .stream = p.stream});
        return;
    }
    if (c->lost_before) s.flags |= AUSLINK_LOST_BEFORE;
    if (is_last) s.flags |= AUSLINK_LAST;
    c->lost_before = false;
    s.values = values, s.channels = recordings[stream].channels, s.codec = d->codec;
    p.size = auslink_samples(&d->link, p.bytes, sizeof p.bytes, &s);
    if (inside(&opt.holes, t)) {
        p.device_id = d->link.device_id, p.boot = d->link.boot;
        line_note(out, &p);
        return;
    }
    give(d, &p);
}

static void obey(device *d) {
    auslink_order_t order;
    packet p = {0};
    while (auslink_next_order(&d->decoder, &order)) {
        if (order.order == AUSLINK_HELLO_REQUEST) say_hello(d);
        if (order.order == AUSLINK_SET_CODEC && order.value <= AUSLINK_CODEC_RICE) d->codec = order.value;
        if (order.order != AUSLINK_TIME_PING) continue;
        p.size = auslink_time(&d->link, p.bytes, sizeof p.bytes, 0, index_of(d, 0), order.token, uptime_us(d));
        give(d, &p);
    }
}

static void listen_to_host(device *devices) {
    uint8_t bytes[512];
    size_t i, size = line_get(out, bytes, sizeof bytes);
    int k;
    for (k = 0; k < opt.devices && size; k++) {
        device *d = &devices[k];
        if (d->link.mode == AUSLINK_DATAGRAM) {
            if (auslink_receive_datagram(&d->decoder, &d->link, bytes, size)) obey(d);
            continue;
        }
        for (i = 0; i < size; i++)
            if (auslink_receive(&d->decoder, &d->link, bytes[i])) obey(d);
    }
}

/* Wait for simulated time t, and let the line and the host have their turn. */
static void wait_until(double t, device *devices) {
    bool stalled = inside(&opt.stalls, t);
    do {
        double left = opt.speed > 0 ? started_s + t / opt.speed - now_s() : 0;
        line_flush(out, stalled, false);
        listen_to_host(devices);
        if (left <= 0) return;
        if (left > 0.01) left = 0.01;
        nanosleep(&(struct timespec){0, (long)(left * 1e9)}, 0);
    } while (!stopped);
}

/* The outage that began since the device booted and before t; what was complete just then is still sent. */
static const span *outage(const spans *all, double since, double t) {
    int i;
    for (i = 0; i < all->count; i++)
        if (all->list[i].at > since && all->list[i].at < t - 1e-9) return &all->list[i];
    return 0;
}

static void reboot(device *d, const span *dark, bool is_brownout) {
    packet p = {0};
    if (is_brownout) { /* the power fails while this is sent; its other half never comes */
        p.size = auslink_log(&d->link, p.bytes, sizeof p.bytes, index_of(d, 0), 3, "brown-out") / 2;
        give(d, &p);
    }
    reboots++;
    boot(d, dark->at + dark->length, d->link.device_id, (uint8_t)(d->link.boot + 1), d->session + 1);
}

/* Samples of a stream until the end of the play. */
static double left_of(const device *d, int stream, double end) {
    return (end - d->booted) * rate_of(stream) + 1e-6 - (double)d->streams[stream].taken;
}

/* The stream whose next packet is due first, how long that packet is, and when. */
static int next_due(const device *d, double end, uint16_t *n, double *due) {
    int i, best = -1;
    for (i = 0; i < opt.n_wavs; i++) {
        double at, left = left_of(d, i, end);
        uint16_t size = block_of(i);
        if (left < 1) continue;
        if (left < size) size = (uint16_t)left;
        at = d->booted + (double)(d->streams[i].taken + size) / rate_of(i);
        if (best >= 0 && at >= *due) continue;
        best = i, *due = at, *n = size;
    }
    return best;
}

static void play(device *devices, double end) {
    while (!stopped) {
        device *d = 0;
        const span *dark, *brownout;
        double due = 0, at;
        uint16_t n = 0, size;
        int k, found, stream = -1;
        for (k = 0; k < opt.devices; k++) {
            found = next_due(&devices[k], end, &size, &at);
            if (found < 0 || (d && at >= due)) continue;
            d = &devices[k], due = at, n = size, stream = found;
        }
        if (!d) return;
        brownout = outage(&opt.brownouts, d->booted, due);
        dark = brownout ? brownout : outage(&opt.reboots, d->booted, due);
        if (dark) {
            wait_until(dark->at, devices);
            reboot(d, dark, brownout != 0);
            continue;
        }
        wait_until(due, devices);
        if (!d->sent) end_half_packet(d);
        at = due - (n - 0.5) / rate_of(stream); /* the first sample */
        if (at >= d->hello_at) say_hello(d), d->hello_at += opt.hello_s;
        say_samples(d, stream, n, at, left_of(d, stream, end) - n < 1);
        if (!stream && due >= d->telemetry_at) say_telemetry(d, due), d->telemetry_at += 1;
    }
}

static void report(void) {
    const line_tally *c = line_counts(out);
    printf("{\"captured\": %llu, \"sent\": %llu, \"lost\": %llu, \"doubled\": %llu, \"swapped\": %llu, \"flipped\": %llu, "
           "\"dropped\": %llu, \"reboots\": %llu, \"hellos\": %llu, \"telemetries\": %llu, \"missing\": ",
           (unsigned long long)captured, (unsigned long long)c->sent, (unsigned long long)c->lost,
           (unsigned long long)c->doubled, (unsigned long long)c->swapped, (unsigned long long)c->flipped,
           (unsigned long long)dropped_packets, (unsigned long long)reboots, (unsigned long long)hellos,
           (unsigned long long)telemetries);
    line_missing(out, stdout);
    printf("}\n");
}

static void read_secret(void) {
    size_t i, digits = strlen(opt.key);
    if (digits % 2 || digits < 32 || digits > 128) die("--key: expected 32 to 128 hex digits");
    for (i = 0; i < digits / 2; i++) {
        char pair[3] = {0}, *end;
        memcpy(pair, opt.key + 2 * i, 2);
        key[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end) die("--key: expected hex digits");
    }
}

int main(int argc, char **argv) {
    device *devices;
    double end;
    int i;
    opt = read_options(argc, argv);
    if (opt.key) read_secret();
    for (i = 0; i < opt.n_wavs; i++) recordings[i] = read_wav(opt.wavs[i]);
    end = opt.seconds > 0 ? opt.seconds : recordings[0].frames / rate_of(0);
    signal(SIGINT, on_signal), signal(SIGTERM, on_signal), signal(SIGPIPE, SIG_IGN);
    out = line_open(&opt);
    printf("%s\n", line_name(out));
    fflush(stdout);
    while (!line_is_read(out) && !stopped) poll(0, 0, 20);
    poll(0, 0, 100); /* whoever opened it may still be configuring it */
    devices = calloc((size_t)opt.devices, sizeof *devices);
    if (!devices) die("out of memory");
    for (i = 0; i < opt.devices; i++) {
        double begin = (double)block_of(0) / recordings[0].rate * i / opt.devices; /* nobody switches all on at once */
        devices[i].offset = 0.37 * i - begin;
        boot(&devices[i], begin, opt.id + (uint32_t)i, opt.boot, opt.session);
    }
    started_s = now_s();
    play(devices, end);
    line_end(out);
    report();
    free(devices);
    return 0;
}
