/* Any board: a tone of 400 Hz in the place of a microphone, to try the link before there is one.
 *
 * On the host:  laennec link monitor --serial /dev/ttyACM0 --baud 500000
 * Not a product: it measures no sound, and its clock is that of micros().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_IMPLEMENTATION
#include <auslink.h>

static const uint32_t DEVICE_ID = 0x7E570001, BAUD = 500000, RATE_HZ = 8000; /* an id of your own for each device */
static const uint16_t N = 80;                                               /* 10 ms; four periods of the tone */
static const uint32_t PACKET_US = N * 1000000UL / RATE_HZ;

static auslink_t auslink;
static uint8_t out[AUSLINK_MAX_BYTES(N) > AUSLINK_HELLO_BYTES(1) ? AUSLINK_MAX_BYTES(N) : AUSLINK_HELLO_BYTES(1)];
static int16_t sound[N];
static uint32_t captured, hello_at, due_us; /* samples since boot; when the next hello, the next packet is due */

static void hello() {
    auslink_stream_t stream = {};
    auslink_hello_t said = {};
    stream.rate_mhz = RATE_HZ * 1000UL; /* what the clock really gives, thousandths of a hertz */
    stream.n = N;
    stream.full_scale_spl = AUSLINK_SPL_UNKNOWN;
    stream.kind = AUSLINK_CHEST;
    stream.channels = 1;
    stream.codecs = 1 << AUSLINK_CODEC_PCM;
    said.model = "arduino-tone";
    said.firmware = "1";
    said.streams = &stream;
    said.n_streams = 1;
    Serial.write(out, auslink_hello(&auslink, out, sizeof out, captured, &said));
}

void setup() {
    Serial.begin(BAUD);
    randomSeed((unsigned long)analogRead(A0) + micros());
    auslink_init(&auslink, DEVICE_ID, (uint8_t)random(256), AUSLINK_STREAM); /* better: a counter in flash */
    for (uint16_t i = 0; i < N; i++) sound[i] = (int16_t)(3000 * sin(2 * PI * i / 20));
    due_us = micros();
}

void loop() {
    if ((int32_t)(micros() - due_us) < 0) return;
    due_us += PACKET_US;
    if (captured >= hello_at) { /* every 2 s, for whoever has just begun to listen */
        hello();
        hello_at += 2 * RATE_HZ;
    }
    auslink_samples_t samples = {};
    samples.values = sound;
    samples.index = captured;
    samples.n = N;
    samples.channels = 1;
    samples.codec = AUSLINK_CODEC_PCM;
    captured += N; /* also where nobody reads: the host places sound by this counter */
    Serial.write(out, auslink_samples(&auslink, out, sizeof out, &samples));
}
