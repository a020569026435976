/* Raspberry Pi Pico (RP2040, RP2350): an I2S microphone by PIO, packets over USB-CDC.
 *
 * Not a product: one microphone, no battery, no contact sensor. The PIO is the I2S master with two instructions to a
 * bit (i2s.pio); DMA fills one half of a ring while the main loop sends the other. The interrupt only counts: samples
 * are counted where they are captured, so a loop that comes too late loses sound but never time.
 *
 * Wiring: SCK on BCLK_PIN, WS on BCLK_PIN + 1, SD on DATA_PIN, L/R of the microphone to ground.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_IMPLEMENTATION
#include "auslink.h"

#include "hardware/clocks.h"
#include "hardware/dma.h"
#include "hardware/irq.h"
#include "hardware/pio.h"
#include "i2s.pio.h"
#include "pico/rand.h"
#include "pico/stdlib.h"
#include "pico/unique_id.h"

enum { BCLK_PIN = 10, DATA_PIN = 12, RATE_HZ = 8000, N = 160, BLOCKS = 8, BIT_CYCLES = 2, FRAME_BITS = 64 };

static int32_t ring[BLOCKS][2 * N]; /* left and right, 24 bits in the upper part of 32; the right side is empty */
static volatile uint32_t captured;  /* blocks since boot */
static int channel;
static auslink_t auslink;
static uint8_t out[AUSLINK_MAX_BYTES(N)];

static void on_block(void) {
    dma_hw->ints0 = 1u << channel;
    captured++;
    dma_channel_set_write_addr((uint)channel, ring[captured % BLOCKS], true);
}

/* The rate that the clock divider really gives, thousandths of a hertz: on an RP2350 at 150 MHz "48000" is 48828. */
static uint32_t start_capture(void) {
    uint offset = pio_add_program(pio0, &i2s_program);
    uint32_t wanted = RATE_HZ * FRAME_BITS * BIT_CYCLES;
    uint32_t divider = (uint32_t)((((uint64_t)clock_get_hz(clk_sys) << 8) + wanted / 2) / wanted); /* 16.8 bits */
    i2s_program_init(pio0, 0, offset, BCLK_PIN, DATA_PIN, divider);
    channel = dma_claim_unused_channel(true);
    dma_channel_config config = dma_channel_get_default_config((uint)channel);
    channel_config_set_transfer_data_size(&config, DMA_SIZE_32);
    channel_config_set_read_increment(&config, false);
    channel_config_set_write_increment(&config, true);
    channel_config_set_dreq(&config, pio_get_dreq(pio0, 0, false));
    dma_channel_configure((uint)channel, &config, ring[0], &pio0->rxf[0], 2 * N, false);
    dma_channel_set_irq0_enabled((uint)channel, true);
    irq_set_exclusive_handler(DMA_IRQ_0, on_block);
    irq_set_enabled(DMA_IRQ_0, true);
    dma_channel_start((uint)channel);
    pio_sm_set_enabled(pio0, 0, true);
    return (uint32_t)(((uint64_t)clock_get_hz(clk_sys) << 8) * 1000u / ((uint64_t)divider * FRAME_BITS * BIT_CYCLES));
}

static uint32_t device_id(void) {
    pico_unique_board_id_t id;
    uint32_t folded = 0;
    pico_get_unique_board_id(&id);
    for (unsigned i = 0; i < sizeof id.id; i++) folded = (folded << 5 | folded >> 27) ^ id.id[i];
    return folded ? folded : 1;
}

static void put(size_t size) {
    if (stdio_usb_connected()) stdio_put_string((const char *)out, (int)size, false, false);
}

static int16_t saturated(int32_t value) { return (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value); }

static void send_block(uint32_t block, uint8_t flags) {
    int16_t mono[N];
    auslink_samples_t samples = {0};
    for (unsigned i = 0; i < N; i++) mono[i] = saturated(ring[block % BLOCKS][2 * i] >> 12); /* gain of 24 dB */
    samples.values = mono;
    samples.index = block * N;
    samples.n = N;
    samples.channels = 1;
    samples.codec = AUSLINK_CODEC_RICE;
    samples.flags = flags;
    put(auslink_samples(&auslink, out, sizeof out, &samples));
}

int main(void) {
    uint32_t sent = 0, hello_at = 0, dropped = 0;
    stdio_init_all();
    auslink_init(&auslink, device_id(), (uint8_t)get_rand_32(), AUSLINK_STREAM);
    const auslink_stream_t stream = {.rate_mhz = start_capture(), .n = N, .gain = 240, .full_scale_spl = AUSLINK_SPL_UNKNOWN,
                                     .kind = AUSLINK_CHEST, .channels = 1, .codecs = 3};
    const auslink_hello_t hello = {.model = "pico-i2s", .firmware = "1", .streams = &stream, .n_streams = 1};
    for (;;) {
        uint8_t flags = 0;
        if (captured >= hello_at) { /* every 2 s, for whoever has just begun to listen */
            uint8_t said[AUSLINK_HELLO_BYTES(1)];
            size_t size = auslink_hello(&auslink, said, sizeof said, captured * N, &hello);
            if (stdio_usb_connected()) stdio_put_string((const char *)said, (int)size, false, false);
            hello_at = captured + 2 * RATE_HZ / N;
        }
        if (captured - sent > BLOCKS - 2) { /* overtaken by the DMA: what is left out is counted */
            dropped += captured - sent - 1;
            auslink.seq[0] = (uint16_t)(auslink.seq[0] + captured - sent - 1);
            sent = captured - 1;
            flags = AUSLINK_LOST_BEFORE;
        }
        if (sent < captured) send_block(sent++, flags);
        else tight_loop_contents();
        (void)dropped; /* belongs into a telemetry */
    }
}
