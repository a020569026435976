/* Zephyr (nRF52, nRF53 and others with a PDM microphone): packets as BLE notifications of the Nordic UART service.
 *
 * Not a product: one microphone, no battery, no contact sensor. The driver's memory slab is the queue between capture
 * and link; the main thread takes a block, sends it, gives it back. While nobody listens, blocks are read and dropped,
 * and go on being counted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define AUSLINK_IMPLEMENTATION
#include "auslink.h"

#include <zephyr/audio/dmic.h>
#include <zephyr/bluetooth/bluetooth.h>
#include <zephyr/bluetooth/conn.h>
#include <zephyr/bluetooth/services/nus.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>

#define RATE_HZ 8000
#define N 160 /* 20 ms: 50 notifications a second, as many as BlueZ takes gladly */
#define BLOCKS 16
#define TRUE_RATE_MHZ (RATE_HZ * 1000u) /* what your PDM clock really gives: 16000 Hz asked for is 16129 on an nRF52 */

K_MEM_SLAB_DEFINE_STATIC(slab, N * sizeof(int16_t), BLOCKS, 4);

static auslink_t auslink;
static struct bt_conn *host;
static atomic_t is_subscribed;

static void on_notify(bool enabled, void *context) {
    ARG_UNUSED(context);
    atomic_set(&is_subscribed, enabled);
}

static void on_connected(struct bt_conn *connection, uint8_t error) {
    if (error) return;
    host = bt_conn_ref(connection);
    bt_conn_set_security(connection, BT_SECURITY_L4); /* bonded, LE Secure Connections, or nothing is sent */
}

static void on_disconnected(struct bt_conn *connection, uint8_t reason) {
    ARG_UNUSED(reason);
    atomic_set(&is_subscribed, 0);
    bt_conn_unref(connection);
    host = NULL;
}

BT_CONN_CB_DEFINE(callbacks) = {.connected = on_connected, .disconnected = on_disconnected};
static struct bt_nus_cb nus = {.notif_enabled = on_notify};

static uint32_t device_id(void) {
    uint8_t raw[16];
    uint32_t folded = 0;
    ssize_t size = hwinfo_get_device_id(raw, sizeof raw);
    for (ssize_t i = 0; i < size; i++) folded = (folded << 5 | folded >> 27) ^ raw[i];
    return folded ? folded : 1;
}

/* One packet; without a free buffer in the stack it is dropped, and its number says so: never wait while capturing. */
static bool notify(const uint8_t *body, size_t size) {
    struct bt_conn *to = host;
    return size && to && bt_conn_get_security(to) >= BT_SECURITY_L4 && bt_nus_send(to, body, (uint16_t)size) == 0;
}

static bool send_half(const int16_t *values, uint32_t index, uint16_t n, uint8_t flags) {
    static uint8_t out[AUSLINK_MAX_BYTES(N)];
    auslink_samples_t samples = {
        .values = values, .index = index, .n = n, .channels = 1, .codec = AUSLINK_CODEC_RICE, .flags = flags};
    uint16_t number = auslink.seq[0];
    size_t size = auslink_samples(&auslink, out, sizeof out, &samples);
    if (size <= 244 || n < 2) return notify(out, size); /* MTU 247 */
    auslink.seq[0] = number;
    bool first = send_half(values, index, n / 2, flags);
    return send_half(values + n / 2, index + n / 2, n - n / 2, 0) && first;
}

static void say_hello(uint32_t index) {
    static uint8_t out[AUSLINK_HELLO_BYTES(1)];
    const auslink_stream_t stream = {.rate_mhz = TRUE_RATE_MHZ, .n = N, .full_scale_spl = AUSLINK_SPL_UNKNOWN,
                                     .kind = AUSLINK_CHEST, .channels = 1, .codecs = 3};
    const auslink_hello_t hello = {.model = "zephyr-pdm", .firmware = "1", .streams = &stream, .n_streams = 1};
    notify(out, auslink_hello(&auslink, out, sizeof out, index, &hello));
}

static const struct device *open_microphone(void) {
    const struct device *microphone = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
    struct pcm_stream_cfg stream = {.pcm_rate = RATE_HZ, .pcm_width = 16, .block_size = N * sizeof(int16_t), .mem_slab = &slab};
    struct dmic_cfg config = {
        .io = {.min_pdm_clk_freq = 1000000, .max_pdm_clk_freq = 3500000, .min_pdm_clk_dc = 40, .max_pdm_clk_dc = 60},
        .streams = &stream,
        .channel = {.req_num_streams = 1, .req_num_chan = 1, .req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT)},
    };
    if (!device_is_ready(microphone) || dmic_configure(microphone, &config) < 0) return NULL;
    return dmic_trigger(microphone, DMIC_TRIGGER_START) < 0 ? NULL : microphone;
}

int main(void) {
    const struct bt_data advertised[] = {BT_DATA_BYTES(BT_DATA_FLAGS, BT_LE_AD_GENERAL | BT_LE_AD_NO_BREDR),
                                         BT_DATA_BYTES(BT_DATA_UUID128_ALL, BT_UUID_NUS_SRV_VAL)};
    const struct device *microphone;
    uint32_t index = 0, hello_at = 0;
    uint8_t flags = 0;
    if (bt_enable(NULL) || bt_nus_cb_register(&nus, NULL)) return -1;
    if (bt_le_adv_start(BT_LE_ADV_CONN_FAST_1, advertised, ARRAY_SIZE(advertised), NULL, 0)) return -1;
    auslink_init(&auslink, device_id(), (uint8_t)sys_rand32_get(), AUSLINK_DATAGRAM);
    microphone = open_microphone();
    if (!microphone) return -1;
    for (;;) {
        void *block = NULL;
        size_t size = 0;
        if (dmic_read(microphone, 0, &block, &size, 1000) < 0) { /* the driver stopped: its count is over */
            dmic_trigger(microphone, DMIC_TRIGGER_STOP);
            dmic_trigger(microphone, DMIC_TRIGGER_START);
            auslink_init(&auslink, auslink.device_id, (uint8_t)(auslink.boot + 1), AUSLINK_DATAGRAM);
            index = 0, hello_at = 0, flags = 0;
            continue;
        }
        if (atomic_get(&is_subscribed)) {
            if (index >= hello_at) {
                say_hello(index);
                hello_at = index + 2 * RATE_HZ;
            }
            flags = send_half(block, index, (uint16_t)(size / sizeof(int16_t)), flags) ? 0 : AUSLINK_LOST_BEFORE;
        } else {
            hello_at = 0; /* whoever subscribes hears at once what this is */
        }
        index += (uint32_t)(size / sizeof(int16_t));
        k_mem_slab_free(&slab, block);
    }
}
