/* Stands for Zephyr: the declarations that the example uses, and nothing of what they do. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int ssize_t;
#define ARG_UNUSED(x) (void)(x)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
typedef long atomic_t;
long atomic_set(atomic_t *target, long value);
long atomic_get(const atomic_t *target);

struct k_mem_slab { char *free_list; };
#define K_MEM_SLAB_DEFINE_STATIC(name, size, count, align) \
    static char name##_buffer[(size) * (count)] __attribute__((aligned(align))); \
    static struct k_mem_slab name = {name##_buffer}
void k_mem_slab_free(struct k_mem_slab *slab, void *block);
uint32_t sys_rand32_get(void);
ssize_t hwinfo_get_device_id(uint8_t *to, size_t size);

struct device { const char *name; };
extern const struct device dmic_node;
#define DT_NODELABEL(label) label
#define DEVICE_DT_GET(node) (&dmic_node)
bool device_is_ready(const struct device *device);
struct pcm_stream_cfg { uint32_t pcm_rate; uint8_t pcm_width; uint16_t block_size; struct k_mem_slab *mem_slab; };
struct pdm_io_cfg { uint32_t min_pdm_clk_freq, max_pdm_clk_freq; uint8_t min_pdm_clk_dc, max_pdm_clk_dc; };
struct pdm_chan_cfg { uint32_t req_chan_map_lo, req_chan_map_hi; uint8_t req_num_chan, req_num_streams; };
struct dmic_cfg { struct pdm_io_cfg io; struct pcm_stream_cfg *streams; struct pdm_chan_cfg channel; };
enum dmic_trigger { DMIC_TRIGGER_STOP, DMIC_TRIGGER_START };
enum pdm_lr { PDM_CHAN_LEFT, PDM_CHAN_RIGHT };
uint32_t dmic_build_channel_map(uint8_t channel, uint8_t pdm, enum pdm_lr lr);
int dmic_configure(const struct device *device, struct dmic_cfg *config);
int dmic_trigger(const struct device *device, enum dmic_trigger trigger);
int dmic_read(const struct device *device, uint8_t stream, void **block, size_t *size, int32_t timeout_ms);

struct bt_conn;
typedef enum { BT_SECURITY_L1 = 1, BT_SECURITY_L2, BT_SECURITY_L3, BT_SECURITY_L4 } bt_security_t;
struct bt_conn_cb {
    void (*connected)(struct bt_conn *, uint8_t);
    void (*disconnected)(struct bt_conn *, uint8_t);
};
#define BT_CONN_CB_DEFINE(name) static const struct bt_conn_cb name __attribute__((used))
struct bt_conn *bt_conn_ref(struct bt_conn *connection);
void bt_conn_unref(struct bt_conn *connection);
int bt_conn_set_security(struct bt_conn *connection, bt_security_t level);
bt_security_t bt_conn_get_security(const struct bt_conn *connection);
struct bt_data { uint8_t type, data_len; const uint8_t *data; };
#define BT_DATA_BYTES(kind, ...) \
    {.type = (kind), .data_len = sizeof((uint8_t[]){__VA_ARGS__}), .data = (const uint8_t[]){__VA_ARGS__}}
enum { BT_DATA_FLAGS = 1, BT_DATA_UUID128_ALL = 7, BT_LE_AD_GENERAL = 2, BT_LE_AD_NO_BREDR = 4 };
#define BT_UUID_NUS_SRV_VAL 0x9e, 0xca, 0xdc, 0x24, 0x0e, 0xe5, 0xa9, 0xe0, 0x93, 0xf3, 0xa3, 0xb5, 1, 0, 0x40, 0x6e
struct bt_le_adv_param { uint32_t options; };
extern const struct bt_le_adv_param adv_conn_fast_1;
#define BT_LE_ADV_CONN_FAST_1 (&adv_conn_fast_1)
int bt_enable(void (*ready)(int));
int bt_le_adv_start(const struct bt_le_adv_param *param, const struct bt_data *ad, size_t ad_len,
                    const struct bt_data *sd, size_t sd_len);
struct bt_nus_cb {
    void (*notif_enabled)(bool, void *);
    void (*received)(struct bt_conn *, const void *, uint16_t, void *);
};
int bt_nus_cb_register(struct bt_nus_cb *callbacks, void *context);
int bt_nus_send(struct bt_conn *connection, const void *bytes, uint16_t size);
