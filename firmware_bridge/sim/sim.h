/* sim.h - the parts of the simulated device: a recording, a line with faults, a device that plays one over the other.
 *
 * POSIX and C99, nothing else. Build:  cc -std=c99 -O2 -o device *.c
 * It is the test device, and what makers develop against who have no hardware yet; `device --help` lists what it can.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SIM_H
#define SIM_H

#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700 /* posix_openpt */

#ifndef AUSLINK_RICE
#define AUSLINK_RICE
#endif
#ifndef AUSLINK_SEAL
#define AUSLINK_SEAL
#endif
#include "../include/auslink.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

enum { MAX_STREAMS = 4, MAX_SPANS = 64, MAX_PACKET = AUSLINK_MAX_BYTES(AUSLINK_MAX_VALUES) };

/* --- device.c --- */

extern volatile sig_atomic_t stopped; /* a signal asked to end */

/* --- wav.c --- */

typedef struct {
    int16_t *values; /* frames x channels, interleaved */
    uint32_t frames, rate;
    uint8_t channels;
} recording;

/* Reads a WAV of 16-bit PCM; ends the program with one line if it is none. */
recording read_wav(const char *path);

/* --- options.c --- */

typedef struct {
    double at, length; /* seconds since the start of the simulation */
} span;

typedef struct {
    span list[MAX_SPANS];
    int count;
} spans;

typedef struct {
    const char *wavs[MAX_STREAMS], *tty, *udp;
    const char *key; /* hex digits, or 0 */
    double seconds, speed, ppm, declared_hz, battery, hello_s;
    double loss, twice, swap, flip;
    spans stalls, reboots, brownouts, loose, overruns, holes;
    uint64_t seed;
    uint32_t id, session, first_index;
    int n_wavs, devices, queue, block;
    uint8_t boot, codec;
} options;

options read_options(int argc, char **argv);
bool inside(const spans *s, double t);
void die(const char *format, ...);

/* --- line.c --- */

typedef struct {
    uint8_t bytes[MAX_PACKET];
    size_t size;
    uint32_t device_id, index;
    uint16_t n; /* samples per channel; 0 for what is not sound, which no fault touches */
    uint8_t stream, boot;
} packet;

typedef struct {
    uint64_t sent, lost, doubled, swapped, flipped; /* packets of samples, and what was done to them */
} line_tally;

typedef struct line line;

line *line_open(const options *o);
const char *line_name(const line *l);
auslink_mode line_mode(const line *l);
bool line_is_read(line *l);                     /* whether somebody has the other end open */
bool line_put(line *l, const packet *p);        /* false if the queue is full */
void line_flush(line *l, bool stalled, bool wait); /* wait: until the line took everything */
size_t line_get(line *l, uint8_t *bytes, size_t cap); /* what came back, 0 if nothing */
unsigned line_fill(line *l);                    /* fullest that the queue was since last asked, percent */
void line_end(line *l);
const line_tally *line_counts(const line *l);
void line_missing(const line *l, FILE *out);    /* JSON: [id, stream, boot, index, n] of packets that cannot arrive */
void line_note(line *l, const packet *p);       /* such a packet, that never came so far */

double chance(uint64_t *state); /* 0 <= x < 1 */

#endif
