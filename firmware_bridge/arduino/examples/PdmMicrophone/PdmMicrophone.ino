/* Nano 33 BLE Sense, Nano RP2040 Connect, Portenta: the microphone on the board by Arduino's PDM library, over USB.
 *
 * On the host:  laennec link monitor --serial /dev/ttyACM0
 * Not a product: a microphone in the open hears the room; no battery, no contact sensor. The interrupt copies and
 * counts, so a loop that comes too late loses sound but never time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_RICE
#define AUSLINK_IMPLEMENTATION
#include <PDM.h>
#include <auslink.h>

#if defined(ARDUINO_ARDUINO_NANO33BLE)
static const uint32_t RATE_MHZ = 16129032; /* its PDM clock is 32 MHz / 31, and takes 64 to a sample */
#else
static const uint32_t RATE_MHZ = 16000000; /* `link monitor` shows after 8 s what it really is */
#endif
static const uint32_t DEVICE_ID = 0x7E570002; /* an id of your own for each device */
static const uint16_t N = 256, BLOCKS = 8;

static auslink_t auslink;
static uint8_t out[AUSLINK_MAX_BYTES(N)];
static int16_t ring[BLOCKS][N];
static volatile uint32_t captured; /* blocks since boot */
static uint32_t sent, hello_at;

static void on_sound() {
    PDM.read(ring[captured % BLOCKS], sizeof ring[0]);
    captured++;
}

static void hello() {
    auslink_stream_t stream = {};
    auslink_hello_t said = {};
    stream.rate_mhz = RATE_MHZ;
    stream.n = N;
    stream.full_scale_spl = AUSLINK_SPL_UNKNOWN;
    stream.kind = AUSLINK_CHEST;
    stream.channels = 1;
    stream.codecs = 1 << AUSLINK_CODEC_PCM | 1 << AUSLINK_CODEC_RICE;
    said.model = "arduino-pdm";
    said.firmware = "1";
    said.streams = &stream;
    said.n_streams = 1;
    Serial.write(out, auslink_hello(&auslink, out, sizeof out, captured * N, &said));
}

void setup() {
    Serial.begin(115200); /* USB: any number */
    randomSeed(analogRead(A0) + micros());
    auslink_init(&auslink, DEVICE_ID, (uint8_t)random(256), AUSLINK_STREAM); /* better: a counter in flash */
    PDM.onReceive(on_sound);
    PDM.setBufferSize(sizeof ring[0]);
    PDM.begin(1, 16000);
}

void loop() {
    auslink_samples_t samples = {};
    uint32_t there = captured;
    if (there >= hello_at) { /* every 2 s, for whoever has just begun to listen */
        hello();
        hello_at = there + 2 * 16000 / N;
    }
    if (there == sent) return;
    if (there - sent > BLOCKS - 2u) { /* overtaken by the interrupt: what is left out is counted */
        auslink.seq[0] = (uint16_t)(auslink.seq[0] + there - sent - 1);
        sent = there - 1;
        samples.flags = AUSLINK_LOST_BEFORE;
    }
    samples.values = ring[sent % BLOCKS];
    samples.index = sent++ * N;
    samples.n = N;
    samples.channels = 1;
    samples.codec = AUSLINK_CODEC_RICE;
    Serial.write(out, auslink_samples(&auslink, out, sizeof out, &samples));
}
