/* ESP32 (ESP-IDF 5): an I2S microphone, packets over UDP.
 *
 * Not a product, and not Wi-Fi provisioning: `wifi_connect` stands for what your project does (Improv, or
 * protocol_examples_common as here). Two tasks: one reads the microphone and never waits for the network, the other
 * sends. Between them a queue of fixed size; a block that does not fit is dropped and counted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_IMPLEMENTATION
#include "auslink.h"

#include "driver/i2s_std.h"
#include "esp_event.h"
#include "esp_mac.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/task.h"
#include "lwip/sockets.h"
#include "nvs_flash.h"
#include "protocol_examples_common.h"

#define HOST "192.168.7.1" /* the box, on a network of its own */
#define PORT 7355
enum { RATE_HZ = 8000, N = 160, QUEUE = 25, BCLK = 26, WS = 25, DIN = 22 };

typedef struct {
    uint32_t index;
    uint8_t flags;
    int16_t values[N];
} block_t;

static QueueHandle_t queue;
static volatile uint32_t captured, dropped, overruns;

static void IRAM_ATTR count_overrun(void) { overruns++; }

static bool on_overflow(i2s_chan_handle_t channel, i2s_event_data_t *event, void *context) {
    (void)channel, (void)event, (void)context;
    count_overrun();
    return false;
}

static void capture(void *argument) {
    i2s_chan_handle_t microphone = argument;
    static int32_t raw[N];
    static block_t block;
    uint32_t seen_overruns = 0;
    for (;;) {
        size_t size = 0;
        if (i2s_channel_read(microphone, raw, sizeof raw, &size, portMAX_DELAY) != ESP_OK || size != sizeof raw) continue;
        if (overruns != seen_overruns) { /* one DMA buffer of N samples was overwritten for each */
            captured += N * (overruns - seen_overruns);
            seen_overruns = overruns;
            block.flags |= AUSLINK_LOST_BEFORE;
        }
        for (unsigned i = 0; i < N; i++) {
            int32_t value = raw[i] >> 12; /* 24 bits in the upper part of 32, gain of 24 dB */
            block.values[i] = (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
        }
        block.index = captured;
        captured += N;
        if (xQueueSend(queue, &block, 0) == pdTRUE) {
            block.flags = 0;
        } else {
            dropped++;
            block.flags = AUSLINK_LOST_BEFORE;
        }
    }
}

static void send_all(int udp, const struct sockaddr_in *host, auslink_t *link) {
    static uint8_t out[AUSLINK_MAX_BYTES(N)], said[AUSLINK_HELLO_BYTES(1)], told[AUSLINK_TELEMETRY_BYTES];
    static block_t block;
    const auslink_stream_t stream = {.rate_mhz = RATE_HZ * 1000u, .n = N, .gain = 240,
                                     .full_scale_spl = AUSLINK_SPL_UNKNOWN, .kind = AUSLINK_CHEST, .channels = 1, .codecs = 3};
    const auslink_hello_t hello = {.model = "esp32-i2s", .firmware = "1", .streams = &stream, .n_streams = 1};
    uint32_t sent = 0, counted = 0;
    for (uint32_t turn = 0;; turn++) {
        if (turn % 50 == 0) { /* once a second; the hello every 2 s */
            auslink_telemetry_t t = {.has = AUSLINK_HAS_CLOCK | AUSLINK_HAS_COUNTERS,
                                     .uptime_us = (uint64_t)esp_timer_get_time(), .clock_index = captured,
                                     .packets_sent = sent, .packets_dropped = dropped, .overruns = overruns};
            size_t size = auslink_telemetry(link, told, sizeof told, 0, captured, &t);
            sendto(udp, told, size, 0, (const struct sockaddr *)host, sizeof *host);
            sent++;
            size = turn % 100 ? 0 : auslink_hello(link, said, sizeof said, captured, &hello);
            if (size) sendto(udp, said, size, 0, (const struct sockaddr *)host, sizeof *host), sent++;
        }
        if (xQueueReceive(queue, &block, portMAX_DELAY) != pdTRUE) continue;
        link->seq[0] = (uint16_t)(link->seq[0] + dropped - counted); /* dropped blocks are numbered too */
        counted = dropped;
        auslink_samples_t samples = {.values = block.values, .index = block.index, .n = N, .channels = 1,
                                     .codec = AUSLINK_CODEC_RICE, .flags = block.flags};
        size_t size = auslink_samples(link, out, sizeof out, &samples);
        sendto(udp, out, size, MSG_DONTWAIT, (const struct sockaddr *)host, sizeof *host);
        sent++;
    }
}

static i2s_chan_handle_t open_microphone(void) {
    i2s_chan_handle_t channel = NULL;
    i2s_chan_config_t made = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(RATE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED, .bclk = BCLK, .ws = WS, .dout = I2S_GPIO_UNUSED, .din = DIN},
    };
    i2s_event_callbacks_t callbacks = {.on_recv_q_ovf = on_overflow};
    made.dma_desc_num = 8;
    made.dma_frame_num = N; /* one DMA buffer is one block: an overflow loses exactly N samples */
    ESP_ERROR_CHECK(i2s_new_channel(&made, NULL, &channel));
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(channel, &config));
    ESP_ERROR_CHECK(i2s_channel_register_event_callback(channel, &callbacks, NULL));
    ESP_ERROR_CHECK(i2s_channel_enable(channel));
    return channel;
}

void app_main(void) {
    static auslink_t link;
    uint8_t mac[6];
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = inet_addr(HOST)};
    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    ESP_ERROR_CHECK(example_connect());
    ESP_ERROR_CHECK(esp_read_mac(mac, ESP_MAC_WIFI_STA));
    uint32_t id = (uint32_t)mac[2] << 24 | (uint32_t)mac[3] << 16 | (uint32_t)mac[4] << 8 | mac[5];
    auslink_init(&link, id ? id : 1, (uint8_t)esp_random(), AUSLINK_DATAGRAM);
    queue = xQueueCreate(QUEUE, sizeof(block_t));
    xTaskCreate(capture, "capture", 4096, open_microphone(), configMAX_PRIORITIES - 2, NULL);
    send_all(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), &host, &link);
}
